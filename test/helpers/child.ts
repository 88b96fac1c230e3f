import { spawn } from 'node:child_process';
import { join } from 'node:path';

const hook = join(__dirname, 'typescript-hook.cjs');

export interface ChildResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly nodeFlags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A command that runs Node, such as `unshare -m sh -c 'mount … && exec "$@"' sh`. */
  readonly wrapper?: readonly string[];
  readonly timeoutMs?: number;
}

/** Runs a TypeScript file in a process of its own; how a process ends is among the things tested. */
export async function runChild(
  script: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const { nodeFlags = [], environment = {}, wrapper = [], timeoutMs = 30_000 } = options;
  const [command = process.execPath, ...rest] = [
    ...wrapper,
    process.execPath,
    ...nodeFlags,
    '-r',
    hook,
    script,
    ...args,
  ];
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => (output[name] += text));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ code, signal, ...output });
    });
  });
}
