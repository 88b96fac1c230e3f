import { release } from 'node:os';

/** Whether the running kernel is of that version or a later one. */
export function kernelAtLeast(major: number, minor: number): boolean {
  const [, foundMajor = '0', foundMinor = '0'] = /^(\d+)\.(\d+)/u.exec(release()) ?? [];
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}
