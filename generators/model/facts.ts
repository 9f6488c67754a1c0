// What is learned of a model from its file, without running anything of it.
import type { Framework } from '../catalog/frameworks.js';

/** An input or an output. `shape` has -1 for an axis of any length; the first axis mostly counts records. */
export interface Field {
  readonly name: string;
  /** A column type of MLflow (long, integer, double, float, boolean, string, datetime), or the library's own word. */
  readonly type: string;
  readonly shape: readonly number[];
  /** A value that it has had. */
  readonly example?: string | number | boolean;
  /** Of a column of a signature: whether every record has a value. */
  readonly required?: boolean;
}

/** What a reader finds in a file or folder. What a file does not tell is absent. */
export interface Facts {
  /** What it is, in a few words: "XGBoost model in JSON", "pickle of RandomForestClassifier". */
  readonly what: string;
  readonly framework?: Framework;
  readonly modelFormat?: string;
  /** Of a Hugging Face model: its id on the Hub, or a name like one. */
  readonly modelName?: string;
  /** The version that saved it, as the file has it: 1.3.2. Absent where newer versions promise to read the file. */
  readonly frameworkVersion?: string;
  /** What saved it, for people, where that is not the framework's version: "transformers 4.38.1". */
  readonly savedBy?: string;
  readonly pythonVersion?: string;
  /** What the model needs beyond its framework, as `name` or `name==version`. */
  readonly packages?: readonly string[];
  /** Modules that loading it imports, and the names it takes of each. */
  readonly modules?: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether loading it calls what another call returned, as no library's files do. */
  readonly callsResults?: boolean;
  readonly inputs?: readonly Field[];
  /** Whether the inputs are the columns of a signature: the project gets it as model/signature.json. */
  readonly signed?: boolean;
  /** Whether the inputs are columns, which a request can name. */
  readonly byName?: boolean;
  /** What it probably takes, where it does not say so itself: enough for a first request, no more. */
  readonly likelyInputs?: readonly Field[];
  readonly outputs?: readonly Field[];
  /** The labels of a classifier. */
  readonly classes?: readonly (string | number | boolean)[];
  /** Names of files next to it that hold its weights. */
  readonly external?: readonly string[];
  /** More to tell people, a sentence each. */
  readonly warnings?: readonly string[];
  /** Why it cannot be served as it is, and the way out. */
  readonly obstacle?: string;
}

/** A file that cannot be read as a model. The message says what it is; the hint is the way out. */
export class UnreadableError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'UnreadableError';
    this.hint = hint;
  }
}

/** The error for a file whose bytes are not what its format demands. */
export const damaged = (what: string) =>
  new UnreadableError(
    `the ${what} is cut off or damaged`,
    'copy it again, in binary mode, and compare what sha256sum prints for it here and where it was saved',
  );
