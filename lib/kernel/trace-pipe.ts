import { closeSync, constants, mkdirSync, openSync, readdirSync, readSync, rmdirSync, writeFileSync } from 'node:fs';

import { PermissionError, UnsupportedError, quote, systemCallFailure } from '../errors/index.js';
import { tracefsPath } from './tracefs.js';

const prefix = 'node-ebpf-';
/** trace_seq of kernel/trace: a call gives a page of text at most, of 8 KiB since Linux 6.8. */
const chunkSize = 65_536;

let opened = 0;

/**
 * The text of the kernel's trace buffer, as `trace_pipe` of tracefs has it: reading takes it out. Of the buffer of all, or
 * of one of its own into which only bpf_printk() writes beside that.
 */
export class TracePipe {
  readonly #instance: string | undefined;
  readonly #descriptor: number;
  readonly #chunk = Buffer.alloc(chunkSize);
  #closed = false;

  private constructor(descriptor: number, instance: string | undefined) {
    this.#descriptor = descriptor;
    this.#instance = instance;
  }

  /** Throws {@link PermissionError}, and {@link UnsupportedError} without tracefs or its event. */
  static open(own: boolean): TracePipe {
    const tracefs = tracefsPath();
    const instance = own ? makeInstance(tracefs) : undefined;
    try {
      const path = `${instance ?? tracefs}/trace_pipe`;
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      return new TracePipe(
        explained(path, () => openSync(path, flags)),
        instance,
      );
    } catch (error) {
      if (instance !== undefined) remove(instance);
      throw error;
    }
  }

  /** What is there, up to some pages; undefined when that is nothing. */
  read(): string | undefined {
    if (this.#closed) return undefined;
    let length = 0;
    // Whole lines each time: a call gives what fits into its page.
    while (length < chunkSize / 2) {
      try {
        const count = readSync(this.#descriptor, this.#chunk, length, chunkSize - length, null);
        if (count === 0) break;
        length += count;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EINTR') continue;
        if (code !== 'EAGAIN') throw error;
        break;
      }
    }
    return length === 0 ? undefined : this.#chunk.toString('utf8', 0, length);
  }

  /** Ends the buffer's recording: what was written before can still be read. */
  stop(): void {
    if (this.#instance !== undefined && !this.#closed) write(`${this.#instance}/${printkEvent}/enable`, '0');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
    if (this.#instance !== undefined) remove(this.#instance);
  }
}

/** The event that bpf_trace_printk() is since Linux 5.9 (kernel/trace/bpf_trace.h). */
const printkEvent = 'events/bpf_trace/bpf_trace_printk';

/** A trace buffer of its own, in which nothing but that event is on. */
function makeInstance(tracefs: string): string {
  const folder = `${tracefs}/instances`;
  removeLeft(folder);
  const instance = `${folder}/${prefix}${process.pid}-${++opened}`;
  explained(instance, () => {
    mkdirSync(instance);
  });
  try {
    // Others depend on the machine's sleep, or on the processor.
    write(`${instance}/trace_clock`, 'boot');
    write(`${instance}/${printkEvent}/enable`, '1');
    return instance;
  } catch (error) {
    remove(instance);
    throw error;
  }
}

/** Those of processes that were killed. The kernel does not remove one that somebody reads. */
function removeLeft(folder: string): void {
  for (const name of explained(folder, () => readdirSync(folder))) {
    const pid = new RegExp(`^${prefix}(\\d+)-\\d+$`, 'u').exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid) remove(`${folder}/${name}`);
  }
}

function remove(instance: string): void {
  try {
    rmdirSync(instance);
  } catch {
    // Somebody reads it, or it is gone: either way it is not ours to remove.
  }
}

function write(path: string, text: string): void {
  explained(path, () => {
    writeFileSync(path, text);
  });
}

function explained<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const { code, errno = -1, syscall = 'open' } = cause as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new PermissionError(
        `cannot use ${quote(path)}: ${code}; tracefs is root's, and closed by kernel lockdown and to user namespaces`,
        ['the mode of tracefs', 'kernel lockdown'],
        { failure: systemCallFailure(syscall, errno), cause },
      );
    }
    if (code === 'ENOENT') {
      throw new UnsupportedError('bpf_printk() in tracefs', `there is no ${quote(path)}; it needs Linux 5.9`, {
        cause,
      });
    }
    if (code === 'EBUSY') {
      throw new UnsupportedError('a second reader of trace_pipe', `${quote(path)} is being read`, { cause });
    }
    throw cause;
  }
}
