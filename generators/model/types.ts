// Value types, by MLflow's names for column types.

const WORDS: Readonly<Record<string, string>> = {
  float32: 'float',
  float64: 'double',
  int32: 'integer',
  int64: 'long',
  bool: 'boolean',
  str: 'string',
};

/** MLflow's name for a NumPy type, or the NumPy name if MLflow has none. */
export const wordFor = (type: string): string => WORDS[type] ?? type;
