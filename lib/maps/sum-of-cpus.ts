import { UsageError } from '../errors/index.js';

/**
 * The values that the CPUs have of one key of a per-CPU map, added up: numbers and bigints, and each member of structs and arrays
 * of them. Each CPU's value is read at another moment, so members of a sum may be from moments that differ.
 *
 * @throws {@link UsageError} for members that cannot be added, such as strings, with their path; for no values at all; for sums
 * beyond 2^53 of numbers, which would be rounded.
 *
 * @example
 * ```js
 * const { packets, bytes } = sumOfCpus(counters.get(0));
 * for (const [port, values] of bytesByPort) console.log(port, sumOfCpus(values));
 * ```
 */
export function sumOfCpus<Value>(values: readonly Value[]): Value;
/** Undefined when there is nothing under the key. */
export function sumOfCpus<Value>(values: readonly Value[] | undefined): Value | undefined;
export function sumOfCpus(values: readonly unknown[] | undefined): unknown {
  if (values === undefined) return undefined;
  // Also JavaScript calls it.
  if (!Array.isArray(values) || values.length === 0) {
    throw UsageError.invalidValue('values', 'must be the values of all CPUs, as get() of a per-CPU map gives them');
  }
  const [first, ...others] = values as unknown[];
  return others.reduce((sum, value) => add(sum, value, 'value'), add(zeroOf(first), first, 'value'));
}

/** What a first value is added to, so that it is looked at as all others are and shares nothing with the sum. */
function zeroOf(value: unknown): unknown {
  if (typeof value === 'number') return 0;
  if (typeof value === 'bigint') return 0n;
  if (Array.isArray(value)) return value.map(zeroOf);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, zeroOf(member)]));
}

function add(sum: unknown, value: unknown, path: string): unknown {
  if (typeof sum === 'bigint' && typeof value === 'bigint') return sum + value;
  if (typeof sum === 'number' && typeof value === 'number') return addNumbers(sum, value, path);
  if (Array.isArray(sum) && Array.isArray(value)) {
    return sum.map((element: unknown, index) => add(element, value[index], `${path}[${index}]`));
  }
  if (isPlain(sum) && isPlain(value)) {
    return Object.fromEntries(
      Object.entries(sum).map(([name, member]) => [name, add(member, value[name], `${path}.${name}`)]),
    );
  }
  throw UsageError.invalidValue(path, 'is not a number, bigint, or struct or array of them, and cannot be added up');
}

function addNumbers(sum: number, value: number, path: string): number {
  const result = sum + value;
  const isExact = Number.isSafeInteger(result) || !Number.isInteger(sum) || !Number.isInteger(value);
  if (isExact) return result;
  throw UsageError.invalidValue(path, 'the sum cannot be a number without rounding; decode it as a bigint');
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
