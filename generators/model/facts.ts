// Facts about a model, read from its file without running any of its code.
import type { Framework } from '../catalog/frameworks.js';

/** An input or an output. `shape` has -1 for an axis of any length; the first axis usually counts records. */
export interface Field {
  readonly name: string;
  /** An MLflow column type (long, integer, double, float, boolean, string, datetime), or the library's own name. */
  readonly type: string;
  readonly shape: readonly number[];
  /** An example value. */
  readonly example?: string | number | boolean;
  /** For a column of a signature: whether every record must have it, and whether its value can then be null. */
  readonly required?: boolean;
  readonly nullable?: boolean;
}

/** What a reader finds in a file or folder. Unknown facts are absent. */
export interface Facts {
  /** A short description: "XGBoost model in JSON", "pickle of RandomForestClassifier". */
  readonly what: string;
  readonly framework?: Framework;
  readonly modelFormat?: string;
  /** For a Hugging Face model: its id on the Hub, or a name of the same form. */
  readonly modelName?: string;
  /** The version that saved it, as in the file: 1.3.2. Absent if newer versions are guaranteed to read the file. */
  readonly frameworkVersion?: string;
  /** The library and version that saved it, for display: "transformers 4.38.1". */
  readonly savedBy?: string;
  readonly pythonVersion?: string;
  /** Packages that the model needs besides its framework, as `name` or `name==version`. */
  readonly packages?: readonly string[];
  /** Modules that loading it imports, each with the names that it uses. */
  readonly modules?: ReadonlyMap<string, ReadonlySet<string>>;
  /** Whether loading it calls the result of another call. No library's own files do that. */
  readonly callsResults?: boolean;
  readonly inputs?: readonly Field[];
  /** Whether the inputs are the columns of a signature, which the project gets as model/signature.json. */
  readonly signed?: boolean;
  /** Whether the inputs are named columns, which requests can use. */
  readonly byName?: boolean;
  /** Probable inputs, if the file does not state them: good enough for a first request only. */
  readonly likelyInputs?: readonly Field[];
  readonly outputs?: readonly Field[];
  /** The labels of a classifier. */
  readonly classes?: readonly (string | number | boolean)[];
  /** Names of files in the same folder that contain its weights. */
  readonly external?: readonly string[];
  /** Warnings for the user, one sentence each. */
  readonly warnings?: readonly string[];
  /** Why it cannot be served as it is, and what to do. */
  readonly obstacle?: string;
}

/** Thrown for a file that cannot be read as a model. The message says what it is, the hint what to do. */
export class UnreadableError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'UnreadableError';
    this.hint = hint;
  }
}

/** The error for a file whose bytes violate its format. */
export const damaged = (what: string) =>
  new UnreadableError(
    `the ${what} is truncated or damaged`,
    'copy it again, in binary mode, and check that sha256sum prints the same checksum on both machines',
  );
