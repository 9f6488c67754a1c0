// Types of values, by the names that MLflow has for those of columns.

const WORDS: Readonly<Record<string, string>> = {
  float32: 'float',
  float64: 'double',
  int32: 'integer',
  int64: 'long',
  bool: 'boolean',
  str: 'string',
};

/** MLflow's name of a type of NumPy, or that name itself. */
export const wordFor = (type: string): string => WORDS[type] ?? type;
