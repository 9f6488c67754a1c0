// Runs the command as if on Windows: node:path is that of Windows, the current folder has a drive and backslashes, and the
// file system takes such paths and returns them. Line ends, executable bits and names that Windows forbids are not imitated.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { bin, quietEnv, type Run } from './bin.js';

/** The path of a file as Windows would have it. */
export const asWindows = (path: string) => `C:${path.replaceAll('/', '\\')}`;

const asData = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;

const named = Object.keys(fs).filter((name) => /^[a-z]\w*$/i.test(name) && name !== 'promises');
const fileSystem = `import fs from 'node:fs';
const here = (path) => (typeof path === 'string' ? path.replace(/^[A-Za-z]:(?=[\\\\/])/, '').replaceAll('\\\\', '/') : path);
const back = (path) => 'C:' + path.replaceAll('/', '\\\\');
const two = new Set(['copyFileSync', 'renameSync', 'symlinkSync', 'linkSync']);
const paths = new Set(['realpathSync', 'mkdtempSync']);
const wrap = (name, call) => (typeof call !== 'function' || !name.endsWith('Sync') ? call : (first, second, ...rest) => {
  const result = call(here(first), two.has(name) ? here(second) : second, ...rest);
  return paths.has(name) ? back(result) : result;
});
const wrapped = Object.fromEntries(Object.entries(fs).map(([name, call]) => [name, wrap(name, call)]));
export default wrapped;
export const { ${named.join(', ')} } = wrapped;`;
const paths = "import path from 'node:path/win32'; export default path; export * from 'node:path/win32';";

const hooks = `const replaced = { 'node:fs': ${JSON.stringify(asData(fileSystem))}, 'node:path': ${JSON.stringify(asData(paths))} };
export async function resolve(name, context, next) {
  const isOurs = context.parentURL?.includes('/dist/generators/');
  return isOurs && replaced[name] ? { url: replaced[name], shortCircuit: true } : next(name, context);
}`;
const preload = `import { register } from 'node:module';
register(${JSON.stringify(asData(hooks))});
const cwd = process.cwd();
process.cwd = () => 'C:' + cwd.replaceAll('/', '\\\\');`;

/** Runs the command in a folder of this machine. */
export function runOnWindows(cwd: string, args: readonly string[]): Run {
  const options = { cwd, env: quietEnv, encoding: 'utf8', input: '' } as const;
  return spawnSync(process.execPath, ['--import', asData(preload), bin, ...args], options);
}
