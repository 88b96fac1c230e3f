// libbpf asked about an object, through test/corpus/libbpf-says.c, which is compiled when it is needed.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, findCommand, root, run } from '../../scripts/setup.mjs';

const timeoutMs = 120_000;

export class Libbpf {
  #program;
  #environment;

  /** `headers` and `libraries` of Debian's libbpf-dev, unpacked somewhere. */
  constructor({ include, libraries, folder }) {
    const compiler = findCommand('cc', 'gcc', 'clang-19', 'clang');
    if (compiler === undefined) throw new SetupError('no C compiler: install gcc to compare with libbpf');
    const source = path.join(root, 'test', 'corpus', 'libbpf-says.c');
    this.#program = path.join(folder, 'libbpf-says');
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
    const args = [...flags, '-o', this.#program, source, ...libraryNames, '-ldl', '-Wl,--allow-shlib-undefined'];
    run(compiler, args, { what: 'compiling libbpf-says.c' });
    this.#environment = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  }

  /** [{ event, … }] */
  ask(mode, file) {
    const result = spawnSync(this.#program, [mode, file], {
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
