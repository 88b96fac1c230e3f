import { lstat } from 'node:fs/promises';

import { EbpfError } from '../errors/index.js';
import { readText } from '../kernel/index.js';

import { FileSource } from './file-source.js';
import { PerfMap, type CompiledFunction } from './perf-map.js';

/** What is read of the file at once. */
const pieceBytes = 1 << 20;

/** Nobody's map is larger: whoever writes more fills no other process's memory. */
const mostBytes = 1 << 28;

/** The perf map of a process, which its just-in-time compiler adds to while it runs. */
export class PerfMapFile {
  readonly #pid: number;
  #map = new PerfMap();
  /** Which file it was, and how much of it was read. */
  #inode = 0;
  #length = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** The function that an address lies in, as far as the file was read. */
  at(address: number): CompiledFunction | undefined {
    return this.#map.at(address);
  }

  /** Reads what was added since; false when there was nothing. */
  async refresh(): Promise<boolean> {
    const { path, owner } = mapOf(this.#pid) ?? {};
    if (path === undefined) return false;
    // Not by a link: one of a container would lead into the file system of this process.
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile() !== true || (found.uid !== owner && found.uid !== 0)) return false;
    if (found.ino !== this.#inode || found.size < this.#length) {
      this.#map = new PerfMap();
      [this.#inode, this.#length] = [found.ino, 0];
    }
    if (found.size === this.#length || this.#length >= mostBytes) return false;
    let source: FileSource | undefined;
    try {
      source = FileSource.open(path);
      await this.#read(source);
    } catch (error) {
      // It was removed or cut off meanwhile.
      if (!EbpfError.is(error)) throw error;
    } finally {
      source?.close();
    }
    await this.#map.sort();
    return true;
  }

  async #read(source: FileSource): Promise<void> {
    const end = Math.min(source.size, mostBytes);
    while (this.#length < end) {
      const bytes = await source.read(this.#length, Math.min(pieceBytes, end - this.#length));
      // The last line may not be whole yet.
      const whole = bytes.lastIndexOf(0x0a) + 1;
      if (whole === 0) {
        if (bytes.length < pieceBytes) return;
        // No line is that long.
        this.#length += bytes.length;
        continue;
      }
      this.#map.push(bytes.subarray(0, whole));
      this.#length += whole;
    }
  }
}

/** Where the map is, by the name that the process has for itself, and whose it must be; undefined when the process is gone. */
function mapOf(pid: number): { readonly path: string; readonly owner: number } | undefined {
  const status = readText(`/proc/${pid}/status`);
  if (status === undefined) return undefined;
  const [, own = String(pid)] = /^NSpid:.*?(\d+)$/m.exec(status) ?? [];
  const [, owner = '0'] = /^Uid:\s+\d+\s+(\d+)/m.exec(status) ?? [];
  return { path: `/proc/${pid}/root/tmp/perf-${own}.map`, owner: Number(owner) };
}
