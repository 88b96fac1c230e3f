// A user namespace with a BPF file system that delegates everything to it: what tokens are for.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { installed } from './installed.js';
import { kernelHasSymbol } from './kernel-symbols.js';

const source = join(__dirname, '../fixtures/delegate.c');

/** VMs have it compiled, and no compiler. */
const compiled = join(__dirname, '../fixtures/delegate');

const maximum = '/proc/sys/user/max_user_namespaces';

/** Of Linux 6.9. */
export const hasDelegation: boolean =
  kernelHasSymbol('bpf_token_create') &&
  existsSync(maximum) &&
  readFileSync(maximum, 'latin1').trim() !== '0' &&
  (existsSync(compiled) || installed('cc'));

/** What runs a command in such a namespace, as a user without rights, with the file system at /mnt: see `runChild`. */
export function delegated(): readonly string[] {
  const user = '65534';
  if (existsSync(compiled)) return [compiled, user];
  const program = join(mkdtempSync(join(tmpdir(), 'node-ebpf-delegate-')), 'delegate');
  const { status, stderr } = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`compiling ${source}: ${stderr}`);
  return [program, user];
}
