// Files from torch.save: a pickled module, its weights, or a Lightning checkpoint. None of them can be served without
// the code that defines the model, so each gets a message that explains how to export it.
import type { Bytes } from '../bytes.js';
import { cursorAt } from '../cursor.js';
import { damaged, type Facts } from '../facts.js';
import { type Global, type Pickle, readPickle, type Value } from '../pickle.js';
import { members, openMember } from '../zip.js';

/** The start of a torch.save file from before PyTorch 1.6: a pickled magic number. */
export const LEGACY_START = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');

const howToExport =
  'torch.jit.script(model.eval()).save("model.pt"), or torch.export.save(torch.export.export(model.eval(), (example,)), "model.pt2")';

/** Reads a zip archive from torch.save. Throws an UnreadableError if it is damaged. */
export function readTorchArchive(bytes: Bytes): Facts {
  const data = members(bytes).find(({ name }) => /(^|\/)data\.pkl$/.test(name));
  if (!data) throw damaged('PyTorch file');
  return factsOf(readPickle(cursorAt(openMember(bytes, data), 'PyTorch file')));
}

/** Reads a torch.save file from before PyTorch 1.6. Throws an UnreadableError if it is damaged. */
export function readLegacyTorch(bytes: Bytes): Facts {
  const cursor = cursorAt(bytes, 'PyTorch file');
  for (let skipped = 0; skipped < 3; skipped++) readPickle(cursor); // magic number, protocol, system info
  return factsOf(readPickle(cursor));
}

function factsOf({ value, globals, callsResults }: Pickle): Facts {
  const modules = new Map<string, Set<string>>();
  for (const { module, name } of globals) modules.set(module, (modules.get(module) ?? new Set()).add(name));
  const [what, obstacle] = judge(value);
  return { what: `PyTorch file of ${what}`, modules, obstacle, ...(callsResults && { callsResults }) };
}

/** Describes the saved object, and what to do with it. */
function judge(value: Value): [what: string, obstacle: string] {
  const keys = keysOf(value);
  if (keys.includes('state_dict') || keys.includes('model_state_dict')) {
    const lightning = keys.find((key) => key.startsWith('pytorch-lightning'));
    return [
      lightning ? 'a Lightning checkpoint' : 'a checkpoint',
      `It contains the weights, not the model. Where the model's class is defined, load the weights (${lightning ? 'YourModule.load_from_checkpoint(path)' : 'model.load_state_dict(checkpoint["state_dict"])'}), then export the model: ${howToExport}.`,
    ];
  }
  const main = typeof value === 'object' && value?.is === 'instance' ? (value.of as Global) : undefined;
  if (keys.length || main?.name === 'OrderedDict')
    return [
      'weights (a state dict)',
      `It contains the weights, not the model. Where the model's class is defined, load the weights with model.load_state_dict(…), then export the model: ${howToExport}.`,
    ];
  return [
    main?.is === 'global' ? `a pickled ${main.module}.${main.name}` : 'tensors',
    `It needs the code of its class, and PyTorch does not guarantee that other versions can read it. Export it where its class is defined: ${howToExport}.`,
  ];
}

/** The string keys of a dict or OrderedDict. */
function keysOf(value: Value): string[] {
  if (typeof value !== 'object' || !value || !('entries' in value)) return [];
  return value.entries.map(([key]) => key).filter((key) => typeof key === 'string');
}
