// Runs a command beside the test: its output as it comes, and the BPF objects it holds.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { emulated } from './emulation.js';

export const repository = join(__dirname, '../..');
export const samples = join(repository, 'bpf-samples');

/** Nothing here takes longer; a command that hangs fails its test with what it wrote so far. */
const patienceMs = emulated ? 80_000 : 20_000;

export interface CommandOptions {
  /** Takes away what makes root root; the files it owns stay readable, wherever the clone lies. */
  readonly withoutCapabilities?: boolean;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export class RunningCommand {
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | string>;
  stdout = '';
  stderr = '';

  constructor(program: string, args: readonly string[], options: CommandOptions = {}) {
    const without = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all'];
    const [file = '', ...rest] = [...(options.withoutCapabilities === true ? without : []), program, ...args];
    // NODE_OPTIONS and NODE_DEBUG of the test run are not what the command is tested with.
    const { NODE_OPTIONS: _options, NODE_DEBUG: _debug, ...inherited } = process.env;
    const child = spawn(file, rest, {
      cwd: options.cwd ?? repository,
      env: { ...inherited, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    // A command that ends before it has read what it is given is not this helper's failure.
    child.stdin.on('error', () => {});
    this.#child = child;
    this.#exit = once(child, 'close').then(([code, signal]: unknown[]) => (code ?? signal) as number | string);
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the command did not start');
    return pid;
  }

  /** Resolves once stderr or stdout show `pattern`. */
  async shows(pattern: RegExp): Promise<void> {
    await this.#within(
      async () => {
        while (!pattern.test(this.stderr) && !pattern.test(this.stdout)) {
          if (this.#child.exitCode !== null)
            throw new Error(`ended before ${String(pattern)} appeared\n${this.#state()}`);
          await sleep(10);
        }
      },
      `${String(pattern)} did not appear`,
    );
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit status, or the name of the signal that ended the command. */
  async exit(): Promise<number | string> {
    return this.#within(async () => this.#exit, 'did not end');
  }

  /** For `finally`: whatever happened, the command is gone afterwards. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    // Its own children may hold the other ends, and nobody would ever close them.
    for (const stream of this.#child.stdio) stream?.destroy();
    await this.#exit;
  }

  async #within<T>(work: () => Promise<T>, problem: string): Promise<T> {
    const giveUp = new AbortController();
    const late = sleep(patienceMs, undefined, { signal: giveUp.signal }).then(() => {
      throw new Error(`${problem} within ${patienceMs} ms\n${this.#state()}`);
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      late.catch(() => {});
      giveUp.abort();
    }
  }

  #state(): string {
    return `stdout: ${this.stdout}\nstderr: ${this.stderr}`;
  }
}

/** `node-ebpf <args>` as a user runs it: the built one. */
export function nodeEbpf(args: readonly string[], options?: CommandOptions): RunningCommand {
  const main = join(repository, 'dist/cli/main.js');
  if (!existsSync(main)) throw new Error('dist/ is not built: npm test and npm run build do it');
  return new RunningCommand(process.execPath, [main, ...args], options);
}

/** A shell that executes programs when told to, so that they have a parent of their own: ours to filter by. */
export class Executor {
  readonly #shell: RunningCommand = new RunningCommand('/bin/sh', []);

  get pid(): number {
    return this.#shell.pid;
  }

  /** Executes `path` as a child of the shell, waits for its end, gives its pid. */
  async execute(path: string): Promise<number> {
    const before = this.#shell.stdout.split('\n').length;
    this.#shell.write(`'${path}' & echo $!; wait\necho done\n`);
    while (this.#shell.stdout.split('\n').length < before + 2) await sleep(5);
    return Number(this.#shell.stdout.split('\n')[before - 1]);
  }

  async end(): Promise<void> {
    await this.#shell.end();
  }
}

/** Ids of the maps, programs, links and BTF that a process's descriptors hold: `prog_id 12`. Empty when it is gone. */
export function heldIds(pid: number | string): Set<string> {
  const ids = new Set<string>();
  const folder = `/proc/${pid}/fdinfo`;
  for (const descriptor of unlessGone(() => readdirSync(folder)) ?? []) {
    const info = unlessGone(() => readFileSync(join(folder, descriptor), 'utf8')) ?? '';
    for (const match of info.matchAll(/^((?:map|prog|link|btf)_id):\s*(\d+)$/gmu))
      ids.add(`${match[1] ?? ''} ${match[2] ?? ''}`);
  }
  return ids;
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EACCES: some processes of a container keep theirs even from root; they hold nothing of ours.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return undefined;
    throw error;
  }
}

/** Starts an application of examples/ as its user does; VMs have it ready made. */
export function runExample(name: string, ...args: string[]): RunningCommand {
  const made = join(repository, 'build/examples', name, 'main.mjs');
  const maker = join(repository, 'scripts/example.mjs');
  return new RunningCommand(process.execPath, existsSync(maker) ? [maker, name, ...args] : [made, ...args]);
}
