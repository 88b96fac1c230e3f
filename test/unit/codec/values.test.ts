import { uptime } from 'node:os';

import { bootTimeToDate, jsonReplacer } from '../../../lib/codec/index.js';

describe('jsonReplacer', () => {
  test('64-bit integers, bytes and numbers that JSON lacks', () => {
    const value = {
      ts: 18_446_744_073_709_551_615n,
      pid: 7,
      comm: 'bash',
      mac: Uint8Array.of(0, 1, 0xff),
      buffer: Buffer.from('hi'),
      list: [1n, { deep: -1n }],
      rates: [NaN, Infinity, -Infinity, 0.5],
      none: null,
    };
    expect(JSON.parse(JSON.stringify(value, jsonReplacer))).toEqual({
      ts: '18446744073709551615',
      pid: 7,
      comm: 'bash',
      mac: '0001ff',
      buffer: '6869',
      list: ['1', { deep: '-1' }],
      rates: ['NaN', 'Infinity', '-Infinity', 0.5],
      none: null,
    });
  });

  test('at the top, and leaves other objects with a toJSON alone', () => {
    expect(JSON.stringify(5n, jsonReplacer)).toBe('"5"');
    expect(JSON.stringify(Uint8Array.of(1, 2), jsonReplacer)).toBe('"0102"');
    expect(JSON.stringify({ at: new Date(0) }, jsonReplacer)).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
    expect(JSON.stringify({ u: undefined, __proto__: null }, jsonReplacer)).toBe('{}');
  });
});

describe('bootTimeToDate', () => {
  test.each(['boottime', 'monotonic'] as const)('the %s clock’s now is the wall clock’s now', (clock) => {
    // What the kernel would say: the uptime counts sleep, the high-resolution time does not.
    const ns = clock === 'boottime' ? BigInt(Math.round(uptime() * 1e9)) : process.hrtime.bigint();
    expect(Math.abs(bootTimeToDate(ns, clock).getTime() - Date.now())).toBeLessThan(1200);
  });

  test('keeps distances', () => {
    const now = process.hrtime.bigint();
    expect(bootTimeToDate(now).getTime() - bootTimeToDate(now - 5_000_000_000n).getTime()).toBe(5000);
  });

  test('refuses what is no time', () => {
    expect(() => bootTimeToDate(5 as unknown as bigint)).toThrow(
      'ns: expected nanoseconds since boot as a bigint, got a number',
    );
    expect(() => bootTimeToDate(2n ** 200n)).toThrow(/^ns: \d+ is beyond what a Date holds$/);
  });
});
