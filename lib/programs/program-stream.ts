import { inspect } from 'node:util';

import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { pause } from '../kernel/index.js';
import { readProgramStream, type Handle } from '../sys/index.js';

/** How a stream is followed. */
export interface ProgramStreamOptions {
  /** Aborting it ends the loop: it rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds between two looks, 1 to 60,000; the kernel wakes nobody. Default 50. */
  readonly pollMs?: number | undefined;
}

/** Numbers of include/uapi/linux/bpf.h. */
const streamIds = { stdout: 1, stderr: 2 } as const;

export type ProgramStreamName = keyof typeof streamIds;

const mostPollMs = 60_000;
const chunkSize = 65_536;

/**
 * What a program writes with `bpf_stream_printk()`, or the kernel about it: on `'stderr'` it tells of loops that took too
 * long and of faults in arenas. The kernel keeps 100,000 bytes of each until they are read.
 */
export class ProgramStream implements AsyncIterable<string> {
  readonly #program: string;
  readonly #handle: Handle;
  readonly #id: number;
  readonly #options: ProgramStreamOptions;
  readonly #chunk = new Uint8Array(chunkSize);
  readonly #decoder = new TextDecoder();

  /** @internal */
  constructor(program: string, handle: Handle, name: ProgramStreamName, options: ProgramStreamOptions) {
    if (!Object.hasOwn(streamIds, name)) {
      throw UsageError.invalidValue('stream', `must be 'stdout' or 'stderr', not ${inspect(name)}`);
    }
    const { pollMs = 50 } = options;
    if (typeof pollMs !== 'number' || !(pollMs >= 1 && pollMs <= mostPollMs)) {
      throw UsageError.invalidValue('pollMs', `must be 1 to ${mostPollMs} milliseconds, not ${inspect(pollMs)}`);
    }
    this.#program = program;
    this.#handle = handle;
    this.#id = streamIds[name];
    this.#options = { signal: options.signal, pollMs };
  }

  /**
   * What was written since the last time, not escaped; empty when that is nothing.
   *
   * @throws {@link UnsupportedError} before Linux 6.17; {@link UsageError} `ERR_EBPF_CLOSED`.
   */
  read(): string {
    let text = '';
    // Not for ever: the program may go on writing.
    for (let calls = 0; calls < 16; calls++) {
      const count = this.#take();
      text += this.#decoder.decode(this.#chunk.subarray(0, count), { stream: true });
      if (count < chunkSize) break;
    }
    return text;
  }

  /** What is written, as it comes: pieces of text. Ends when the program is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, undefined, undefined> {
    const { signal, pollMs = 50 } = this.#options;
    while (!this.#handle.closed) {
      signal?.throwIfAborted();
      const text = this.read();
      if (text !== '') yield text;
      else await pause(pollMs, signal);
    }
    return undefined;
  }

  #take(): number {
    if (this.#handle.closed) throw UsageError.closed(`program ${quote(this.#program)}`);
    try {
      return readProgramStream(this.#handle, this.#id, this.#chunk);
    } catch (error) {
      // bpf(2) knows no such command.
      if (!EbpfError.is(error) || error.errnoName !== 'EINVAL') throw error;
      throw new UnsupportedError('streams of programs', 'they need Linux 6.17', { since: '6.17', cause: error });
    }
  }
}
