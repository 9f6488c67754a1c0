// Makes templates/dictionaries/FORMAT.txt.gz, with which the bases of projects are compressed, from the templates as they are.
// Only for a format that no release has used yet: otherwise first increment currentFormat in generators/project/dictionary.ts.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'fflate';
import { currentFormat } from '../generators/project/dictionary.js';
import { root } from './support/tools.js';

/** The folders of the templates that most projects have in common. The others are small. */
const folders = ['container', 'deploy', 'engines', 'multi-model', 'servers', 'test', 'tools', 'training'];

const templates = join(root, 'templates');
const files = folders.flatMap((folder) =>
  readdirSync(join(templates, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.pyc$|_cache/.test(join(entry.parentPath, entry.name)))
    .map((entry) => join(entry.parentPath, entry.name)),
);
const texts = [...files, join(templates, 'project/lock.sh')]
  .sort()
  .map((file) => readFileSync(file, 'utf8').replaceAll('\r\n', '\n'));
mkdirSync(join(templates, 'dictionaries'), { recursive: true });
const file = join(templates, `dictionaries/${currentFormat}.txt.gz`);
const bytes = gzipSync(Buffer.from(texts.join('')), { level: 9, mtime: 0 });
writeFileSync(file, bytes);
console.log(`${file}: ${texts.length} templates, ${bytes.length} bytes`);
