import { findPageSize } from '../../../lib/kernel/page-size.js';
import { countCpus } from '../../../lib/kernel/possible-cpus.js';
import { requireLinux } from '../../../lib/kernel/require-linux.js';

test.each([
  ['0\n', 1],
  ['0-3\n', 4],
  ['0,2\n', 3],
  ['0-1,8-11\n', 12],
])('possible CPUs %j', (list, count) => {
  expect(countCpus(list)).toBe(count);
});

test.each(['', 'x', '0-', '-1'])('possible CPUs %j are refused', (list) => {
  expect(() => countCpus(list)).toThrow(
    'the number of CPUs: /sys/devices/system/cpu/possible cannot be read; sysfs must be mounted',
  );
});

describe('page size', () => {
  const vector = (littleEndian: boolean): Uint8Array => {
    const view = new DataView(new ArrayBuffer(48));
    for (const [index, value] of [33n, 0x7fff_0000n, 6n, 16_384n, 0n, 0n].entries()) {
      view.setBigUint64(index * 8, value, littleEndian);
    }
    return new Uint8Array(view.buffer);
  };

  test('is read in either byte order', () => {
    expect(findPageSize(vector(true), true)).toBe(16_384);
    expect(findPageSize(vector(false), false)).toBe(16_384);
  });

  test('is 4096 when the kernel does not say', () => {
    expect(findPageSize(new Uint8Array(7), true)).toBe(4096);
  });
});

test('other systems are told what is missing', () => {
  expect(() => {
    requireLinux('darwin');
  }).toThrow(
    `eBPF: it needs Linux, and this is darwin-${process.arch}; objects can be parsed and inspected here, and loaded on Linux`,
  );
  expect(() => {
    requireLinux('linux');
  }).not.toThrow();
});
