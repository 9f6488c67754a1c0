// `mlflow models serve` and the generated server respond equally to all request formats for the same MLflow folders.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietEnv, run } from '../support/bin.js';
import { pinsFor, root, tool } from '../support/tools.js';

const [csv, json] = ['text/csv', 'application/json'];
const columns = ['age', 'income', 'city', 'vip'];
const rows = [
  [31, 52000.5, 'Oslo', true],
  [64, null, 'Rome', false],
  [40, 1, 'Bergen, old', false],
];
const dates = ['2021-05-31T00:00:00', '2020-02-01T00:00:00', '2020-02-01T12:30:00'];
const withDates = rows.map((row, at) => [...row, dates[at]]);

/** All request formats of MLflow's protocol for rows of several types. */
function formats(names: readonly string[], data: readonly (readonly unknown[])[]): object[] {
  const records = data.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));
  const inputs = Object.fromEntries(names.map((name, at) => [name, data.map((row) => row[at])]));
  return [
    { dataframe_split: { columns: names, data } },
    { dataframe_split: { columns: names, index: [7, 8, 9], data } },
    { dataframe_split: { columns: [...names].reverse(), data: data.map((row) => [...row].reverse()) } },
    { dataframe_records: records },
    { inputs },
    { inputs: records },
    { inputs: records[0] },
    { instances: records },
    { instances: inputs },
  ];
}

const requests: Readonly<Record<string, readonly [string, string][]>> = {
  pipeline: [
    ...formats(columns, rows).map((body): [string, string] => [json, JSON.stringify(body)]),
    [csv, `${columns}\n31,52000.5,Oslo,True\n64,,Rome,False\n40,1,"Bergen, old",False\n`],
  ],
  function: formats([...columns, 'since'], withDates)
    .flatMap((body) => [body, { ...body, params: { scale: 2.5 } }])
    .map((body) => [json, JSON.stringify(body)]),
};

describe('the server of an MLflow folder', function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'mlflow-'));
  const python = join(folder, '.venv/bin/python');
  const running: ChildProcess[] = [];
  const env = {
    ...quietEnv,
    MLFLOW_DISABLE_TELEMETRY: 'true',
    PATH: `${join(folder, '.venv/bin')}:${process.env.PATH}`,
  };

  const must = (command: string, args: readonly string[]) => {
    const { status, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', env });
    assert.equal(status, 0, `${command} ${args.join(' ')}\n${stderr}`);
  };
  /** Starts a server, waits until it is ready and returns its port. */
  const start = async (args: (port: number) => readonly string[], more: (port: number) => object = () => ({})) => {
    const port = await freePort();
    const options = { cwd: folder, detached: true, env: { ...env, ...more(port) } };
    const log = join(folder, `${port}.log`);
    const file = openSync(log, 'w');
    const server = spawn(python, args(port), { ...options, stdio: ['ignore', file, file] });
    running.push(server);
    while (
      !(await fetch(`http://127.0.0.1:${port}/ping`).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      assert.equal(server.exitCode, null, readFileSync(log, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return port;
  };

  /** Starts both servers for a folder and returns their ports. */
  const startBoth = async (name: string): Promise<[theirs: number, ours: number]> => {
    const project = projectOf(name);
    const generated = run(folder, [project, `--model=${name}`]);
    assert.equal(generated.status, 0, generated.stderr);
    return Promise.all([
      start((port) => `-m mlflow models serve --env-manager local --port ${port} -m ${name}`.split(' ')),
      start(
        () => [join(project, 'code/serve')],
        (port) => ({ SM_MODEL_DIR: join(folder, project, 'model'), SAGEMAKER_BIND_TO_PORT: String(port) }),
      ),
    ]);
  };
  const projectOf = (name: string) => `serve-${name}`;
  const ports = new Map<string, [number, number]>();

  before(async () => {
    must(tool('uv'), ['venv', '--quiet', '--python', tool('python'), '.venv']);
    must(tool('uv'), ['pip', 'install', '--quiet', '--python', python, 'mlflow-skinny==3.17.2', ...pinsFor('sklearn')]);
    must(python, [join(root, 'test/versions/make_mlflow.py')]);
    await Promise.all(Object.keys(requests).map(async (name) => ports.set(name, await startBoth(name))));
  });
  after(() => {
    for (const { pid } of running) process.kill(-(pid ?? 0), 'SIGKILL');
    rmSync(folder, { recursive: true });
  });

  const ask = async (port: number, type: string, body: string): Promise<[number, unknown]> => {
    const headers = { 'Content-Type': type };
    const response = await fetch(`http://127.0.0.1:${port}/invocations`, { method: 'POST', headers, body });
    return [response.status, await response.json()];
  };

  it('refuses a request without a column of the signature, as mlflow models serve does', async () => {
    const body = JSON.stringify({ dataframe_records: [{ age: 31, income: 1, vip: true }] });
    const [theirs, ours] = await Promise.all((ports.get('pipeline') ?? []).map((port) => ask(port, json, body)));
    assert.equal(theirs?.[0], 400);
    assert.equal(ours?.[0], 400);
    assert.match(JSON.stringify(ours), /Record 1: city is missing/);
  });

  for (const [name, sent] of Object.entries(requests))
    it(`responds like mlflow models serve: ${name}`, async () => {
      const sample = readFileSync(join(folder, projectOf(name), 'test/sample_request.json'), 'utf8');
      for (const [type, body] of [...sent, [json, sample] as const]) {
        const [expected, found] = await Promise.all((ports.get(name) ?? []).map((port) => ask(port, type, body)));
        assert.equal(expected?.[0], 200, `${body}\n${JSON.stringify(expected)}`);
        assert.deepEqual(found, expected, body);
      }
    });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
