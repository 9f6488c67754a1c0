// Keras's .keras: a zip archive with the Keras version, the configuration and the weights of a model.
import type { Bytes } from '../bytes.js';
import { type Facts, UnreadableError } from '../facts.js';
import { guarded } from '../guard.js';
import { parseJson, textOf, valueAt } from '../json.js';
import { factsOfKeras } from '../keras.js';
import { members, readMember } from '../zip.js';

const WHAT = 'Keras model';
const MAX_CONFIG = 16 << 20;

/** Reads a .keras archive from Keras 3 or 2. */
export function readKeras(bytes: Bytes): Facts {
  const all = members(bytes);
  const read = (name: string) => {
    const member = all.find((each) => each.name === name);
    if (!member)
      throw new UnreadableError(`the zip archive has no ${name}`, "save the model with model.save('model.keras')");
    return parseJson(readMember(bytes, member, MAX_CONFIG));
  };
  return guarded(WHAT, () => {
    const version = textOf(valueAt(read('metadata.json'), 'keras_version'));
    const config = read('config.json');
    const hasWeights = all.some(({ name }) => /^(model\.weights|variables)\./.test(name));
    if (!hasWeights)
      throw new UnreadableError('the Keras model contains no weights', "save it again with model.save('model.keras')");
    return factsOfKeras(config, version, 'keras');
  });
}
