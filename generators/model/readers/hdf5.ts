// Keras's .h5: HDF5 whose root group has the Keras version and the model's configuration as attributes.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, UnreadableError } from '../facts.js';
import { guarded } from '../guard.js';
import { readRoot } from '../hdf5.js';
import { parseJson } from '../json.js';
import { factsOfKeras } from '../keras.js';

const WHAT = 'HDF5 file';
/** Names in the root group of a weights file, as written by Keras since 2.12. */
const WEIGHTS = new Set(['_layer_checkpoint_dependencies', 'layers', 'vars']);
const SAVE = "model.save('model.keras')";

/** Reads a Keras model in HDF5. */
export function readHdf5(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const { attributes, names } = readRoot(bytes);
    const version = attributes.get('keras_version')?.replace(/-tf$/, '');
    const config = attributes.get('model_config');
    if (config) return ofKeras(config, version, attributes.get('backend'));
    if (attributes.has('model_config')) throw damaged(WHAT);
    if (!attributes.has('layer_names') && !names.some((name) => WEIGHTS.has(name)))
      throw new UnreadableError(
        'an HDF5 file that is not a Keras model: it has no model configuration',
        `pass the file that Keras saved: ${SAVE}`,
      );
    return {
      what: 'weights of a Keras model in HDF5',
      ...(version && { savedBy: `Keras ${version}` }),
      obstacle: `It contains the weights only, not the layers. Build the model with its code, then run model.load_weights(path) and ${SAVE}.`,
    };
  });
}

function ofKeras(config: string, version: string | undefined, backend: string | undefined): Facts {
  const facts = factsOfKeras(parseJson(Buffer.from(config)), version, 'h5');
  if (version && Number.parseInt(version, 10) < 2)
    return {
      ...facts,
      obstacle: `It was saved by Keras ${version}, whose files TensorFlow cannot read. Retrain the model with Keras 2 or 3.`,
    };
  const warning = `It was trained with the ${backend} backend and is served with TensorFlow: compare the predictions.`;
  const others = [undefined, 'tensorflow'];
  return others.includes(backend) ? facts : { ...facts, warnings: [...(facts.warnings ?? []), warning] };
}
