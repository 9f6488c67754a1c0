// What torch.save writes: a module as a pickle, its weights, or a checkpoint of Lightning. None of them can be served without
// the program; a message says how to export it.
import type { Bytes } from '../bytes.js';
import { cursorAt } from '../cursor.js';
import { damaged, type Facts } from '../facts.js';
import { type Global, type Pickle, readPickle, type Value } from '../pickle.js';
import { members, openMember } from '../zip.js';

/** How a file of torch.save begins, as PyTorch wrote it before 1.6: the pickle of a magic number. */
export const LEGACY_START = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');

const exporting =
  'export it where its class is: torch.jit.script(model.eval()).save("model.pt"), or torch.export.save(torch.export.export(model.eval(), (example,)), "model.pt2")';

/** Reads a zip archive of torch.save. Throws an UnreadableError. */
export function readTorchArchive(bytes: Bytes): Facts {
  const data = members(bytes).find(({ name }) => /(^|\/)data\.pkl$/.test(name));
  if (!data) throw damaged('PyTorch file');
  return factsOf(readPickle(cursorAt(openMember(bytes, data), 'PyTorch file')));
}

/** Reads a file of torch.save from before PyTorch 1.6. Throws an UnreadableError. */
export function readLegacyTorch(bytes: Bytes): Facts {
  const cursor = cursorAt(bytes, 'PyTorch file');
  for (let skipped = 0; skipped < 3; skipped++) readPickle(cursor); // the magic number, the protocol, the system
  return factsOf(readPickle(cursor));
}

function factsOf({ value, globals, callsResults }: Pickle): Facts {
  const modules = new Map<string, Set<string>>();
  for (const { module, name } of globals) modules.set(module, (modules.get(module) ?? new Set()).add(name));
  const [what, obstacle] = judge(value);
  return { what: `PyTorch file of ${what}`, modules, obstacle, ...(callsResults && { callsResults }) };
}

/** What was saved, and what to do with it. */
function judge(value: Value): [what: string, obstacle: string] {
  const keys = keysOf(value);
  if (keys.includes('state_dict') || keys.includes('model_state_dict')) {
    const lightning = keys.find((key) => key.startsWith('pytorch-lightning'));
    return [
      lightning ? 'a Lightning checkpoint' : 'a checkpoint',
      `it holds the weights, not the model: load it (${lightning ? 'YourModule.load_from_checkpoint(path)' : 'model.load_state_dict(checkpoint["state_dict"])'}), then ${exporting}`,
    ];
  }
  const main = typeof value === 'object' && value?.is === 'instance' ? (value.of as Global) : undefined;
  if (keys.length || main?.name === 'OrderedDict')
    return [
      'weights (a state dict)',
      `it holds the weights, not the model: load them with model.load_state_dict(…), then ${exporting}`,
    ];
  return [
    main?.is === 'global' ? `a pickled ${main.module}.${main.name}` : 'tensors',
    `it needs the class that made it, and PyTorch promises to read it with no other version: ${exporting}`,
  ];
}

/** The keys of a dict, an ordered one too. */
function keysOf(value: Value): string[] {
  if (typeof value !== 'object' || !value || !('entries' in value)) return [];
  return value.entries.map(([key]) => key).filter((key) => typeof key === 'string');
}
