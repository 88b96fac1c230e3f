// `node-ebpf <args>` in this process, where neither signals nor the end of a process are what is tested.
import { Writable } from 'node:stream';

import { runCommandLine } from '../../lib/cli/command-line.js';

export interface CommandLineResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function commandLine(...args: readonly string[]): Promise<CommandLineResult> {
  const output = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr'): Writable =>
    new Writable({
      decodeStrings: false,
      write(text, _encoding, done) {
        output[name] += String(text);
        done();
      },
    });
  const context = { stdout: stream('stdout'), stderr: stream('stderr'), onStop: () => {} };
  return { status: await runCommandLine(args, context), ...output };
}
