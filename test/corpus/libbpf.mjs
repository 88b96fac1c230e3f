// libbpf asked about an object, through test/corpus/libbpf-says.c, which is compiled when it is needed.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, findCommand, root, run } from '../../scripts/setup.mjs';

const timeoutMs = 120_000;

export class Libbpf {
  /** [major, minor] */
  version;
  #program;
  #loader;
  #libraries;

  /** What `fetchLibbpf` of fetch.mjs gives, and a folder for the program that asks. */
  constructor({ version, include, libraries, loader }, folder) {
    this.version = versionOf(version);
    this.#libraries = libraries;
    this.#loader = loader;
    const compiler = findCommand('cc', 'gcc', 'clang-19', 'clang');
    if (compiler === undefined) throw new SetupError('no C compiler: install gcc to compare with libbpf');
    const source = path.join(root, 'test', 'corpus', 'libbpf-says.c');
    this.#program = path.join(folder, 'libbpf-says');
    const flags = ['-Wall', '-Werror', '-O1', `-I${include}`, '-rdynamic', '-Wl,--allow-shlib-undefined'];
    const args = [...flags, '-o', this.#program, source, this.#library('libbpf.so.1'), '-ldl'];
    run(compiler, args, { what: 'compiling libbpf-says.c' });
  }

  #library(name) {
    const file = this.#libraries.map((folder) => path.join(folder, name)).find((place) => fs.existsSync(place));
    if (file === undefined) throw new SetupError(`${name} is in none of ${this.#libraries.join(', ')}`);
    return file;
  }

  /** What a VM needs to ask it: `files` are [path in the VM, file here], below `folder`; `command` runs it there. */
  carried(folder) {
    const names = ['libbpf.so.1', 'libelf.so.1', 'libz.so.1', 'libzstd.so.1', 'libc.so.6'];
    const program = `${folder}/libbpf-says`;
    const loader = `${folder}/loader`;
    const files = [
      [program, this.#program],
      [loader, this.#loader],
      ...names.map((name) => [`${folder}/${name}`, this.#library(name)]),
    ];
    return { files, command: [loader, '--library-path', folder, program] };
  }

  /** [{ event, … }]; `targets` are name → function for programs that say a name which stands for any. */
  ask(mode, file, targets = {}) {
    const words = ['--library-path', this.#libraries.join(':'), this.#program, mode, file, ...targetWords(targets)];
    const result = spawnSync(this.#loader, words, {
      encoding: 'utf8',
      maxBuffer: 512 * 1024 * 1024,
      timeout: timeoutMs,
    });
    if (result.error !== undefined) throw new SetupError(`libbpf-says: ${result.error.message}`);
    if (result.status !== 0) return [{ event: 'died', signal: result.signal ?? result.status, warning: result.stderr }];
    return result.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }
}

export const targetWords = (targets) => Object.entries(targets).map(([name, target]) => `${name}=${target}`);

/** `1:1.1.2-0+deb12u1` → [1, 1] */
const versionOf = (version) => /^(?:\d+:)?(\d+)\.(\d+)/u.exec(version).slice(1).map(Number);

/** Whether one [major, minor] comes before another. */
export const isOlder = ([major, minor], [newMajor, newMinor]) =>
  major < newMajor || (major === newMajor && minor < newMinor);
