import { generateProject } from './support/generate.js';
const [dir, json] = process.argv.slice(2);
await generateProject(JSON.parse(json!), dir!);
