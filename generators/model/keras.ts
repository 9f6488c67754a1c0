// The configuration of a Keras model, which .keras and .h5 files share: its inputs, and custom classes and functions.
import type { Facts, Field } from './facts.js';
import { listOf, objectOf, textOf, valueAt } from './json.js';
import { wordFor } from './types.js';

/** TensorFlow 2.x: the oldest supported minor version, which also reads older files, and the last with Keras 2. */
const [OLDEST, LAST_KERAS_2] = [12, 15];

/**
 * The TensorFlow version for a file saved by TensorFlow 2.x; or by Keras 2.x, if `ofKeras`, because Keras 2 was part of
 * TensorFlow and shares its version numbers. Undefined if the newest reads it, as Keras 3 reads all Keras 3 files.
 */
export function frameworkVersionOf(version: string, ofKeras = false): string | undefined {
  const [major, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  if (major !== 2) return undefined;
  return `2.${Math.min(Math.max(minor, OLDEST), ofKeras ? LAST_KERAS_2 : Infinity)}`;
}

/** Reads facts from a model's configuration and the Keras version that saved it. */
export function factsOfKeras(config: unknown, version: string | undefined, format: 'keras' | 'h5'): Facts {
  const frameworkVersion = frameworkVersionOf(version ?? '', true);
  const { modules, names, hasLambda } = findCustomCode(config);
  const inputs = inputsOf(config);
  const warnings = [];
  if (names.size)
    warnings.push(
      `It needs custom classes or functions: ${[...names].join(', ')}. Pass the file that defines them with --code=FILE; it is copied into code/.`,
    );
  const runsLambda = hasLambda && format === 'h5' && frameworkVersion !== undefined;
  if (runsLambda) warnings.push(RUN_LAMBDA);
  if (!inputs.length)
    warnings.push(
      'The model does not define its inputs. Build it from keras.Input, or write load() in code/model_handler.py.',
    );
  return {
    what: `Keras${version ? ` ${version}` : ''} model${format === 'h5' ? ' in HDF5' : ''}`,
    framework: 'tensorflow',
    modelFormat: format,
    ...(version && { savedBy: `Keras ${version}` }),
    ...(frameworkVersion && { frameworkVersion }),
    ...(inputs.length && { inputs }),
    ...(modules.size && { modules }),
    ...(warnings.length && { warnings }),
    ...(hasLambda && !runsLambda && { obstacle: LAMBDA }),
  };
}

const RUN_LAMBDA =
  'It has a Lambda layer that contains Python bytecode. Loading the model runs this bytecode, which works only on the Python version that saved it.';
const LAMBDA =
  'It has a Lambda layer that contains Python code, which Keras refuses to load. Replace it with a layer class or with a ' +
  'function registered with keras.saving.register_keras_serializable, and save the model again.';

/** The inputs, from the input layers, otherwise from the configuration of the first layer. */
function inputsOf(config: unknown): readonly Field[] {
  const layers = listOf(valueAt(config, 'config', 'layers'));
  const order = JSON.stringify(valueAt(config, 'config', 'input_layers') ?? []);
  const positionOf = (field: Field) => order.indexOf(JSON.stringify(field.name));
  const inputs = layers.filter((layer) => valueAt(layer, 'class_name') === 'InputLayer');
  if (inputs.length)
    return inputs
      .flatMap((layer) => toField(objectOf(valueAt(layer, 'config'))))
      .toSorted((one, other) => positionOf(one) - positionOf(other));
  const first = objectOf(valueAt(layers[0], 'config'));
  const known = toField({ ...first, name: `${textOf(first.name) ?? 'layer'}_input` });
  const built = { name: 'inputs', batch_shape: valueAt(config, 'config', 'build_input_shape') };
  return known.length ? known : toField(built);
}

function toField({ name, dtype, ...config }: Readonly<Record<string, unknown>>): readonly Field[] {
  const shape = config.batch_shape ?? config.batch_input_shape;
  if (!Array.isArray(shape)) return [];
  const type = textOf(dtype)?.replace('string', 'str') ?? 'float32';
  const lengths = shape.map((length) => (Number.isSafeInteger(length) && length > 0 ? (length as number) : -1));
  return [{ name: textOf(name) ?? '', type: wordFor(type), shape: lengths }];
}

interface CustomCode {
  /** By module, if the configuration has it. */
  readonly modules: Map<string, Set<string>>;
  readonly names: Set<string>;
  hasLambda: boolean;
}

/** Parts that training needs, but prediction does not. */
const SKIPPED = new Set(['compile_config', 'training_config', 'build_config']);
const LAYER_KEYS = new Set(['layers', 'layer', 'cell', 'cells', 'backward_layer']);
const KERAS_MODULES = /^(keras|tf_keras|tensorflow|builtins)(\.|$)/;

/** Walks the configuration without recursion, because an untrusted one can be nested deeply. */
function findCustomCode(config: unknown): CustomCode {
  const own: CustomCode = { modules: new Map(), names: new Set(), hasLambda: false };
  const open: { value: unknown; isLayer: boolean }[] = [{ value: config, isLayer: true }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, isLayer } = next;
    if (Array.isArray(value)) for (const each of value) open.push({ value: each, isLayer });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    note(own, objectOf(value), isLayer);
    for (const [key, each] of Object.entries(value))
      if (!SKIPPED.has(key)) open.push({ value: each, isLayer: LAYER_KEYS.has(key) });
  }
  return own;
}

/** Checks one object: {module, class_name, registered_name, config} since Keras 2.13; older files have no modules. */
function note(own: CustomCode, object: Readonly<Record<string, unknown>>, isLayer: boolean): void {
  const [name, module] = [textOf(object.class_name), textOf(object.module)];
  if (!name) return;
  const registered = textOf(object.registered_name);
  if (name === '__lambda__' || (name === 'Lambda' && valueAt(object, 'config', 'function_type') === 'lambda'))
    own.hasLambda = true;
  else if (name === 'function' && module === 'builtins') own.names.add(textOf(object.config) ?? 'function');
  else if (module && !KERAS_MODULES.test(module)) {
    own.names.add(bare(name));
    own.modules.set(module, (own.modules.get(module) ?? new Set()).add(name));
  } else if (registered?.includes('>') || (isLayer && !module && !isBuiltIn(name))) own.names.add(bare(name));
}

/** Strips the package from the name of a registered class: shop>Scale. */
const bare = (name: string) => name.split('>').at(-1) ?? name;

/** Whether a class is a layer or model of Keras 2, which have no module in older files. */
const isBuiltIn = (name: string) => BUILT_IN.has(name.replace('Custom>', '')) || name.startsWith('__');

const BUILT_IN: ReadonlySet<string> = new Set(
  `Sequential Functional Model InputLayer Layer Lambda Wrapper TFOpLambda SlicingOpLambda ClassMethod InstanceMethod
  InstanceProperty TensorFlowOpLayer Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
  AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BaseRandomLayer BatchNormalization
  BatchNormalizationV1 BatchNormalizationV2 Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose
  Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution2D Convolution3D
  Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM Dense DenseFeatures DepthwiseConv1D DepthwiseConv2D Discretization Dot
  Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
  GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
  HashedCrossing Hashing Identity IntegerLookup LSTM LSTMCell LSTMV2 LayerNormalization LeakyReLU LocallyConnected1D
  LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Merge Minimum MultiHeadAttention Multiply
  Normalization PReLU Permute RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation
  RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D SeparableConv2D
  SeparableConvolution1D SeparableConvolution2D SequenceFeatures SimpleRNN SimpleRNNCell Softmax SpatialDropout1D
  SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract SyncBatchNormalization
  TextVectorization ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
  ZeroPadding2D ZeroPadding3D`.split(/\s+/),
);
