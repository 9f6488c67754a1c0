// README.md: its chapters, in the order in which they are read. Each is a template.
import type { Project } from './project.js';

/** The templates of a project's README. */
export function chapters(project: Project): string[] {
  const { language, training } = project;
  const serving = language ? ['engine/about', 'engine/model', 'engine/requests'] : servingChapters(project);
  const names = [...serving, ...(training ? ['training'] : []), 'deploy', 'tools'];
  return names.map((name) => `project/readme/${name}.md.ejs`);
}

/** What our server serves, and how: a model that has to be converted first is converted before it is tried. */
function servingChapters({ entry, framework, runtime, sample, tests }: Project): string[] {
  const trying = tests ? 'try' : 'serve';
  const own = entry.modules?.includes('texts') ? `model-${framework}` : 'model';
  const model = runtime === 'onnx' ? 'convert' : own;
  const order = model === 'convert' && !sample ? [model, trying] : [trying, model];
  return ['about', ...order, 'handler', 'requests'];
}
