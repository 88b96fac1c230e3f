import { sumOfCpus } from '../../../lib/maps/index.js';

test('adds up numbers, bigints, and what is made of them', () => {
  expect(sumOfCpus([1, 2, 3])).toBe(6);
  expect(sumOfCpus([1n << 63n, 1n << 63n])).toBe(1n << 64n);
  expect(sumOfCpus([0.5, 0.25])).toBe(0.75);
  const values = [
    { packets: 1, bytes: 10n, by: [1, 2], deep: { last: -1 } },
    { packets: 2, bytes: 20n, by: [3, 4], deep: { last: 3 } },
  ];
  expect(sumOfCpus(values)).toEqual({ packets: 3, bytes: 30n, by: [4, 6], deep: { last: 2 } });
  expect(values[0]).toEqual({ packets: 1, bytes: 10n, by: [1, 2], deep: { last: -1 } });
});

test('of one CPU it is a value of its own', () => {
  const values = [{ by: [1] }];
  const sum = sumOfCpus(values);
  expect(sum).toEqual({ by: [1] });
  expect(sum.by).not.toBe(values[0]?.by);
});

test('a property of any name is a property', () => {
  const value = JSON.parse('{ "__proto__": 1, "constructor": 2 }') as Record<string, number>;
  expect(Object.entries(sumOfCpus([value, value]))).toEqual([
    ['__proto__', 2],
    ['constructor', 4],
  ]);
});

test('nothing under a key is nothing', () => {
  expect(sumOfCpus(undefined)).toBeUndefined();
});

test.each([
  [[], 'values: must be the values of all CPUs'],
  [5, 'values: must be the values of all CPUs'],
  [['a', 'b'], 'value: is not a number'],
  [[{ comm: 'a' }], 'value.comm: is not a number'],
  [[{ at: [0, true] }], 'value.at[1]: is not a number'],
  [[{ bytes: new Uint8Array(4) }], 'value.bytes: is not a number'],
  [[1, 1n], 'value: is not a number'],
  [[null], 'value: is not a number'],
  [[2 ** 53 - 1, 1], 'value: the sum cannot be a number without rounding'],
])('%p is refused: %s', (values, message) => {
  expect(() => sumOfCpus(values as number[])).toThrow(message);
});
