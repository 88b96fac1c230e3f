import { UsageError } from '../../../lib/errors/index.js';
import { kernelDevice } from '../../../lib/kernel/index.js';

/** As stat() has them (new_encode_dev of include/linux/kdev_t.h), and as MKDEV makes them there. */
const encode = (major: number, minor: number): number => (minor & 0xff) + major * 256 + (((minor & ~0xff) << 12) >>> 0);
const inKernel = (major: number, minor: number): number => major * 2 ** 20 + minor;

test.each([
  [8, 1],
  [0, 26],
  [0xfff, 0xf_ffff],
  [259, 0x1_2345],
])('device %d:%d', (major, minor) => {
  expect(kernelDevice(encode(major, minor))).toBe(inKernel(major, minor));
  expect(kernelDevice(BigInt(encode(major, minor)))).toBe(inKernel(major, minor));
});

test.each([-1, 1.5, NaN, 2 ** 32, -1n, 1n << 32n, undefined, '5'])('%p is refused', (dev) => {
  const run = (): unknown => kernelDevice(dev as number);
  expect(run).toThrow(UsageError);
  expect(run).toThrow('dev: must be the number of a device');
});
