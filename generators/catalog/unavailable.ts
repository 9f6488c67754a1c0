// What the interface names and this version does not generate yet. The one place that refuses it; empty when all is there.

/** Values of a parameter that are refused with "not available yet". */
export const unavailable: Readonly<Record<string, readonly unknown[]>> = {
  modelServer: ['vllm', 'sglang'],
};

export function isAvailable(key: string, value: unknown): boolean {
  const values = Array.isArray(value) ? value : [value];
  return !values.some((each) => unavailable[key]?.includes(each));
}
