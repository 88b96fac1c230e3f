// Programs in C of test/fixtures: VMs have them compiled, and no compiler.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { installed } from './installed.js';

const pathOf = (name: string): string => join(__dirname, '../fixtures', name);

/** Whether {@link withFixture} has it here. */
export const hasFixture = (name: string): boolean => existsSync(pathOf(name)) || installed('cc');

/** Calls `use` with the path of the compiled program. */
export async function withFixture<T>(name: string, use: (program: string) => T | Promise<T>): Promise<T> {
  const compiled = pathOf(name);
  if (existsSync(compiled)) return use(compiled);
  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-fixture-'));
  try {
    const program = join(folder, name);
    const { status, stderr } = spawnSync('cc', ['-O2', '-o', program, `${compiled}.c`], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`compiling ${compiled}.c: ${stderr}`);
    return await use(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
