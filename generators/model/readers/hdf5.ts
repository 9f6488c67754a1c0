// .h5: HDF5, where Keras keeps the version and the configuration of a model as attributes of the root.
import type { Bytes } from '../bytes.js';
import { damaged, type Facts, UnreadableError } from '../facts.js';
import { guarded } from '../guard.js';
import { readRoot } from '../hdf5.js';
import { parseJson } from '../json.js';
import { factsOfKeras } from '../keras.js';

const WHAT = 'HDF5 file';
/** What is in the root of a file of weights, which Keras has written since 2.12. */
const WEIGHTS = new Set(['_layer_checkpoint_dependencies', 'layers', 'vars']);
const SAVE = "model.save('model.keras')";

/** Reads an HDF5 file of Keras, with .h5 or any other ending. */
export function readHdf5(bytes: Bytes): Facts {
  return guarded(WHAT, () => {
    const { attributes, names } = readRoot(bytes);
    const version = attributes.get('keras_version')?.replace(/-tf$/, '');
    const config = attributes.get('model_config');
    if (config) return ofKeras(config, version, attributes.get('backend'));
    if (attributes.has('model_config')) throw damaged(WHAT);
    if (!attributes.has('layer_names') && !names.some((name) => WEIGHTS.has(name)))
      throw new UnreadableError(
        'this HDF5 file is not of Keras: its root has no configuration of a model',
        `give the file that Keras saved: ${SAVE}`,
      );
    return {
      what: 'weights of a Keras model in HDF5',
      ...(version && { savedBy: `Keras ${version}` }),
      obstacle: `It has the weights alone, not the layers. Build the model with its code, model.load_weights(path), then ${SAVE}.`,
    };
  });
}

function ofKeras(config: string, version: string | undefined, backend: string | undefined): Facts {
  const facts = factsOfKeras(parseJson(Buffer.from(config)), version, 'h5');
  if (version && Number.parseInt(version, 10) < 2)
    return {
      ...facts,
      obstacle: `Keras ${version} saved it, whose files TensorFlow does not read. Train it again with Keras 2 or 3.`,
    };
  const warning = `It was trained with the backend ${backend}, and is served with TensorFlow: compare what it predicts.`;
  const others = [undefined, 'tensorflow'];
  return others.includes(backend) ? facts : { ...facts, warnings: [...(facts.warnings ?? []), warning] };
}
