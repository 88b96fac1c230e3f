import { closeSync, constants, fstatSync, openSync, read } from 'node:fs';

import type { ByteSource } from '../elf/index.js';
import { ObjectFormatError, UsageError, quote } from '../errors/index.js';

/** A file that is read where it is needed, off the event loop. To be closed. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  #descriptor: number | undefined;

  private constructor(path: string, name: string, descriptor: number, size: number) {
    this.path = path;
    this.name = name;
    this.#descriptor = descriptor;
    this.size = size;
  }

  /**
   * Opens a file. Opening does not wait for a pipe's other end, which is no regular file and so is refused.
   *
   * @param options - `name`: what it is called in errors, where the path says little.
   *
   * @throws {@link UsageError} when there is no such file, it may not be read or is no regular file.
   */
  static open(path: string, options: { readonly name?: string | undefined } = {}): FileSource {
    let descriptor: number | undefined;
    try {
      // On the event loop: see readWhole() of the kernel's room.
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = fstatSync(descriptor);
      if (!stat.isFile()) throw new Error(`${quote(path)} is no regular file`);
      return new FileSource(path, options.name ?? path, descriptor, stat.size);
    } catch (cause) {
      if (descriptor !== undefined) closeSync(descriptor);
      throw UsageError.invalidValue('target', (cause as Error).message, { cause });
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const count = await this.#readSome(bytes, done, offset + done);
      if (count === 0) {
        throw new ObjectFormatError('the file ends there, though it was longer before', {
          object: this.name,
          offset: offset + done,
        });
      }
      done += count;
    }
    return bytes;
  }

  /** May be called again. */
  close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  async #readSome(bytes: Uint8Array, done: number, position: number): Promise<number> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw UsageError.closed(`file ${quote(this.name)}`);
    return new Promise((resolve, reject) => {
      read(descriptor, bytes, done, bytes.length - done, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }
}
