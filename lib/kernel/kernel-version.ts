import { release, version } from 'node:os';

import { readText } from './read-text.js';

/** What tells the version of the running kernel. Given by tests. */
export interface VersionFacts {
  /** `uname -r`: `6.1.0-18-amd64`. */
  readonly release: string;
  /** `uname -v`: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)`. */
  readonly version: string;
  /** `/proc/version_signature` of Ubuntu: `Ubuntu 6.8.0-31.31-generic 6.8.1`. */
  readonly signature: string | undefined;
}

/**
 * `KERNEL_VERSION(major, minor, patch)` of the running kernel. Debian's and Ubuntu's releases end in a patch level of
 * their own, always 0: the kernel's stands elsewhere. Undefined when there is no number to be found.
 */
export function kernelVersionCode(facts: VersionFacts = versionFacts()): number | undefined {
  const numbers =
    /^\S+ \S+ (\d+)\.(\d+)\.(\d+)/.exec(facts.signature ?? '') ??
    /Debian (\d+)\.(\d+)\.(\d+)/.exec(facts.version) ??
    /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(facts.release);
  if (numbers === null) return undefined;
  const [, major = 0, minor = 0, patch = 0] = numbers.map(Number);
  // KERNEL_VERSION of include/generated/uapi/linux/version.h: the patch level stops at 255.
  return (major << 16) + (minor << 8) + Math.min(Number.isNaN(patch) ? 0 : patch, 255);
}

function versionFacts(): VersionFacts {
  return { release: release(), version: version(), signature: readText('/proc/version_signature') };
}
