// The prompts: whatever is answered, they end in a project or an explicit cancel.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { frameworkNames, frameworks } from '../../generators/catalog/frameworks.js';
import { serverNames, serverOf } from '../../generators/catalog/servers.js';
import { targetNames } from '../../generators/catalog/targets.js';
import type { Question } from '../../generators/config/prompts.js';
import { readArguments } from '../../generators/config/sources.js';
import { plan } from '../../generators/plan.js';
import { walker } from '../support/walk.js';

const cwd = mkdtempSync(join(tmpdir(), 'ml-prompts-'));
after(() => rmSync(cwd, { recursive: true, force: true }));

/** Walks the questions to their end. */
async function walk(
  { ask }: { ask: (question: Question) => Promise<unknown> },
  args: readonly string[] = [],
  context: object = {},
) {
  return plan('app', readArguments(args), { cwd, env: {}, ...context }, { ask, check: () => [] });
}

const linesOf = ({ message, choices = [], intro = '' }: Question) => [
  `? ${message}`,
  ...choices.flatMap(({ name, disabled = '' }) => `  ${name} ${disabled}`.trimEnd().split('\n')),
  ...intro.split('\n'),
];

describe('the prompts', () => {
  const [offered, chosen] = [new Set<string>(), new Set<string>()];
  const many = serverNames.filter((name) => serverOf(name).onlyMany);
  for (const framework of frameworkNames)
    for (const deployTarget of targetNames)
      for (const modelServer of [...frameworks[framework].servers, ...(framework === 'custom' ? many : [])])
        it(`end in a project: ${framework}, ${deployTarget}, ${modelServer}`, async () => {
          const small = deployTarget === 'serverless' || deployTarget === 'batch';
          const wanted = { framework, deployTarget, modelServer, ...(small && { modelName: 'Qwen/Qwen3-0.6B' }) };
          await fc.assert(
            fc.asyncProperty(fc.infiniteStream(fc.nat(10_000)), async (numbers) => {
              const pick = (count: number) => Number(numbers.next().value) % count;
              const user = walker(wanted, pick);
              const ask = async (question: Question) => {
                for (const line of linesOf(question)) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
                const answer = await user.ask(question);
                for (const { value, disabled } of question.choices ?? [])
                  if (!disabled) offered.add(`${question.name} ${value}`);
                for (const value of [answer].flat()) chosen.add(`${question.name} ${value}`);
                return answer;
              };
              const planned = await walk({ ask });
              assert.ok(planned.files.some(({ path }) => path === 'Dockerfile'));
            }),
            { seed: 20, numRuns: 2 },
          );
        });

  it('were answered with every choice that they offer, but for some regions and versions', () => {
    const rare = /^(awsRegion|back|frameworkVersion|confirmation) /;
    assert.deepEqual(
      [...offered].filter((each) => !chosen.has(each) && !rare.test(each)),
      [],
    );
  });
});
