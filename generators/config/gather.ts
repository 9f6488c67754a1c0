// Brings the sources together in the order of precedence, and asks for what is still open.
import { resolve as resolvePath } from 'node:path';
import { readConfigFiles, readStored } from './files.js';
import type { Answers, Key } from './parameters.js';
import { nextQuestion, type Question, readAnswer } from './prompts.js';
import { type Resolution, resolve } from './resolve.js';
import { type CommandLine, type Given, readEnvironment, type Source } from './sources.js';
import { readTraining } from './training.js';

export interface Surroundings {
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Asks one question; its answer is a value of the parameter or the text typed. */
export type Ask = (question: Question) => Promise<unknown>;

/** Gathers every source's values and resolves them; with `ask`, what is open is asked. Throws only what `ask` throws. */
export async function gather(line: CommandLine, around: Surroundings, ask?: Ask): Promise<Resolution> {
  const given = [line, readEnvironment(around.env), ...readConfigFiles(around.cwd, line.run.config)];
  const said: Given[] = [];
  const asked = new Set<Key>();
  const all = () => {
    const answered: Source = { values: said, problems: [], warnings: [] };
    const before = resolve([...given, answered]);
    const directory = targetOf(before, ask !== undefined, around.cwd);
    const stored = directory === undefined ? [] : [readStored(directory)];
    const { answers, origins } = stored.length ? resolve([...given, ...stored, answered]) : before;
    const { requirements } = answers;
    if (!requirements) return resolve([...given, ...stored, answered]);
    const trained = readTraining(requirements, origins.requirements ?? '', around.cwd, answers);
    return resolve([trained.packages, ...given, trained.version, ...stored, answered]);
  };
  for (let resolution = all(); ; resolution = all()) {
    const question = ask && !wrong(resolution) ? nextQuestion(resolution, asked) : undefined;
    if (!ask || !question) return resolution;
    asked.add(question.name);
    const answer = readAnswer(question.name, await ask(question));
    if (answer) said.push(answer);
  }
}

/** Whether something is wrong that no answer can mend: what is only missing will be asked for. */
const wrong = ({ problems }: Resolution) => problems.some(({ from }) => from !== 'no source');

/** The folder to write into. While questions are still to come, a name that is only a default does not settle it. */
function targetOf({ answers, origins }: Resolution, asking: boolean, cwd: string): string | undefined {
  if (asking && origins.projectDir === 'default' && origins.projectName === 'default') return undefined;
  return answers.projectDir === undefined ? undefined : directoryOf(answers, cwd);
}

/** The absolute path of the project's folder. */
export function directoryOf({ projectDir = '.' }: Answers, cwd: string): string {
  return resolvePath(cwd, projectDir);
}
