import { UnsupportedError } from '../errors/index.js';

/** Says so before anything else fails for lack of Linux. */
export function requireLinux(platform: string = process.platform): void {
  if (platform === 'linux') return;
  throw new UnsupportedError(
    'eBPF',
    `it needs Linux, and this is ${platform}-${process.arch}; objects can be parsed and inspected here, and loaded on Linux`,
  );
}
