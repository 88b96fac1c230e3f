// A user namespace with a BPF file system that delegates everything to it: what tokens are for.
import { existsSync, readFileSync } from 'node:fs';

import { hasFixture, withFixture } from './c-fixture.js';
import { kernelHasSymbol } from './kernel-symbols.js';

const maximum = '/proc/sys/user/max_user_namespaces';

/** Of Linux 6.9. */
export const hasDelegation: boolean =
  kernelHasSymbol('bpf_token_create') &&
  existsSync(maximum) &&
  readFileSync(maximum, 'latin1').trim() !== '0' &&
  hasFixture('delegate');

/** Calls `use` with what runs a command in such a namespace, as a user without rights, with the file system at /mnt. */
export async function delegated<T>(use: (program: string, before: readonly string[]) => Promise<T>): Promise<T> {
  return withFixture('delegate', async (program) => use(program, ['65534']));
}
