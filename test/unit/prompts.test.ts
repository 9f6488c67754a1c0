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
  const chosen = new Map<string, Set<string>>();
  const many = serverNames.filter((name) => serverOf(name).onlyMany);
  for (const framework of frameworkNames)
    for (const deployTarget of targetNames)
      for (const modelServer of [...frameworks[framework].servers, ...(framework === 'custom' ? many : [])])
        it(`end in a project: ${framework}, ${deployTarget}, ${modelServer}`, async () => {
          const wanted = { framework, deployTarget, modelServer };
          const offered = new Set<string>();
          await fc.assert(
            fc.asyncProperty(fc.infiniteStream(fc.nat(10_000)), async (numbers) => {
              const pick = (count: number) => Number(numbers.next().value) % count;
              const user = walker(wanted, pick);
              const ask = async (question: Question) => {
                for (const line of linesOf(question)) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
                const answer = await user.ask(question);
                for (const { value, disabled } of question.choices ?? [])
                  if (!disabled) offered.add(`${question.name} ${value}`);
                const key = `${framework} ${deployTarget}`;
                chosen.set(key, (chosen.get(key) ?? new Set()).add(`${question.name} ${answer}`));
                return answer;
              };
              const planned = await walk({ ask });
              assert.ok(planned.files.some(({ path }) => path === 'Dockerfile'));
            }),
            { seed: 20, numRuns: 12 },
          );
        });

  it('were answered with each choice of the targets', () => {
    for (const framework of frameworkNames) {
      const taken = targetNames.flatMap((target) => [...(chosen.get(`${framework} ${target}`) ?? [])]);
      for (const target of targetNames) assert.ok(taken.includes(`deployTarget ${target}`), `${framework} ${target}`);
    }
  });
});
