// The chapters of README.md, in order. Each is a template.
import type { Project } from './project.js';

/** The templates of the chapters of a project's README.md. */
export function chapters(project: Project): string[] {
  const { language, training } = project;
  const serving = language ? ['engine/about', 'engine/model', 'engine/requests'] : servingChapters(project);
  const names = [...serving, ...(training ? ['training'] : []), 'deploy', 'tools'];
  return names.map((name) => `project/readme/${name}.md.ejs`);
}

/** The chapters of a project with our server. If the model has to be converted first, that chapter comes first. */
function servingChapters({ entry, framework, runtime, sample, tests }: Project): string[] {
  const trying = tests ? 'try' : 'serve';
  const own = entry.modules?.includes('texts') ? `model-${framework}` : 'model';
  const model = runtime === 'onnx' ? 'convert' : own;
  const order = model === 'convert' && !sample ? [model, trying] : [trying, model];
  return ['about', ...order, 'handler', 'requests'];
}
