// Statistics and number formatting.

/** Returns the median, the upper one for an even number of values; NaN for none. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** 12345.6 as "12,346", 42.19 as "42.2", 0.456 as "0.46": three significant digits, at most two decimals. */
export function show(value: number): string {
  const places = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** 0.1234 as "12 %", 0.004 as "less than 1 %". */
export const percent = (share: number): string => (share < 0.01 ? 'less than 1 %' : `${Math.round(share * 100)} %`);

/** 1 as "1 connection", 8 as "8 connections". */
export const countConnections = (count: number): string => (count === 1 ? '1 connection' : `${count} connections`);
