// The packed tarball and what it is tried with, made once for all files of test/package by test/package/set-up.mjs.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Packed {
  readonly folder: string;
  readonly tarball: string;
  /** What `npm pack --json` says is in it. */
  readonly files: readonly { readonly path: string; readonly size: number }[];
  readonly unpackedSize: number;
  /** node, npm, sh and env: no compiler, make or python. */
  readonly commands: string;
  /** A folder with a package.json, where the tarball was installed with nothing but {@link commands} on PATH. */
  readonly app: string;
  /** node_modules of test/package/peers. */
  readonly peers: string;
  /** The root of a system with musl. */
  readonly musl: string;
}

export function packed(): Packed {
  const folder = process.env['NODE_EBPF_PACKED'];
  if (folder === undefined) throw new Error('test/package/set-up.mjs has not run');
  return JSON.parse(readFileSync(join(folder, 'packed.json'), 'utf8')) as Packed;
}

/** A copy of the folder where the tarball is installed: tests write into it. */
export function newApp(): string {
  const app = realpathSync(mkdtempSync(join(tmpdir(), 'node-ebpf-app-')));
  cpSync(packed().app, app, { recursive: true });
  return app;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

/** Standard output of a program that has to end well within two minutes. */
export function output(program: string, args: readonly string[], options: RunOptions = {}): string {
  // NODE_OPTIONS and NODE_PATH of the test run are not what a user has.
  const { NODE_OPTIONS: _options, NODE_PATH: _path, ...inherited } = process.env;
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    ...options,
    env: options.env ?? inherited,
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${status ?? signal}\n${stdout}\n${stderr}`);
  return stdout;
}
