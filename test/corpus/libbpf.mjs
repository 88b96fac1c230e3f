// libbpf asked about an object, through test/corpus/libbpf-says.c, which is compiled when it is needed.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, findCommand, root, run } from '../../scripts/setup.mjs';

const timeoutMs = 120_000;

export class Libbpf {
  /** [major, minor] */
  version;
  /** The words that run it, to which a mode and a file are added. */
  #command;
  #environment;

  /** What `fetchLibbpf` of fetch.mjs gives, and a folder for the program that asks. */
  constructor({ version, include, libraries, loader }, folder) {
    this.version = versionOf(version);
    const compiler = findCommand('cc', 'gcc', 'clang-19', 'clang');
    if (compiler === undefined) throw new SetupError('no C compiler: install gcc to compare with libbpf');
    const source = path.join(root, 'test', 'corpus', 'libbpf-says.c');
    const program = path.join(folder, 'libbpf-says');
    const flags = [
      '-Wall',
      '-Werror',
      '-O1',
      `-I${include}`,
      ...libraries.map((library) => `-L${library}`),
      '-rdynamic',
    ];
    const libraryNames = libraries
      .map((library) => path.join(library, 'libbpf.so.1'))
      .filter((file) => fs.existsSync(file));
    const args = [...flags, '-o', program, source, ...libraryNames, '-ldl', '-Wl,--allow-shlib-undefined'];
    run(compiler, args, { what: 'compiling libbpf-says.c' });
    const paths = libraries.join(':');
    this.#command = loader === undefined ? [program] : [loader, '--library-path', paths, program];
    this.#environment = loader === undefined ? { ...process.env, LD_LIBRARY_PATH: paths } : process.env;
  }

  /** [{ event, … }] */
  ask(mode, file) {
    const [command, ...words] = this.#command;
    const result = spawnSync(command, [...words, mode, file], {
      env: this.#environment,
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

/** `1:1.1.2-0+deb12u1` → [1, 1] */
const versionOf = (version) => /^(?:\d+:)?(\d+)\.(\d+)/u.exec(version).slice(1).map(Number);

/** Whether one [major, minor] comes before another. */
export const isOlder = ([major, minor], [newMajor, newMinor]) =>
  major < newMajor || (major === newMajor && minor < newMinor);
