// The program of test/fixtures/probes, which gets to its probes whenever it is asked to.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(__dirname, '..', 'fixtures', 'probes');

/** The program for this machine, that can lie anywhere in memory; `fixed`: that cannot. */
export function probedProgram(kind: 'moving' | 'fixed' = 'moving'): string {
  return join(folder, `${process.arch}${kind === 'fixed' ? '-fixed' : ''}.elf`);
}

export const hasProbedProgram: boolean = existsSync(probedProgram());

/** A process that runs it. */
export interface ProbedProcess {
  readonly pid: number;
  /** Makes it get to each probe once; resolves with the value of the semaphore that it then sees. */
  hit(): Promise<number>;
  close(): Promise<void>;
}

/** Starts the program; `command` may start it by other means. */
export function startProbed(command: readonly string[] = [probedProgram()]): ProbedProcess {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} was not started`);
  return {
    pid,
    hit: async () => {
      child.stdin.write('a');
      const [byte] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
      return (byte[0] ?? 0) - 0x30;
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.stdin.end();
      await exit;
    },
  };
}
