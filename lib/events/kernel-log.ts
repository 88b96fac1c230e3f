import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import { TracePipe, pause } from '../kernel/index.js';

import { checkReadOptions } from './read-options.js';
import { TraceLineParser, type KernelLogLine } from './trace-lines.js';

/** How {@link kernelLog} reads. */
export interface KernelLogOptions {
  /** Aborting it ends the log: whoever waits for a line gets a rejection with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds between two looks, 1 to 60,000. Default 50. */
  readonly pollMs?: number | undefined;
  /**
   * `'own'`: a trace buffer of its own, which gets every line from now on and leaves those of others alone. `'shared'`: the
   * `trace_pipe` of all. Who reads that takes lines away from its other readers, such as `bpftool prog tracelog`; it also
   * has what was written before. Default: `'own'`.
   */
  readonly buffer?: 'own' | 'shared' | undefined;
}

const defaultPollMs = 50;
/** Of some 32 KiB each. */
const mostPieces = 4096;

/**
 * Opens what programs of this machine write with `bpf_printk()`. For logs of your own programs {@link Ebpf.logs} costs less
 * and tells more. Least kernel: 5.9; tracefs must be mounted.
 *
 * @throws {@link UnsupportedError} without tracefs; {@link PermissionError}: it is root's.
 *
 * @example
 * ```js
 * for await (const { task, pid, message } of kernelLog({ signal })) console.log(task, pid, message);
 * ```
 */
export function kernelLog(options: KernelLogOptions = {}): KernelLog {
  const { signal, pollMs = defaultPollMs } = checkReadOptions({ signal: options.signal, pollMs: options.pollMs });
  const buffer: unknown = options.buffer ?? 'own';
  if (buffer !== 'own' && buffer !== 'shared') {
    throw UsageError.invalidValue('buffer', `must be 'own' or 'shared', not ${inspect(buffer)}`);
  }
  signal?.throwIfAborted();
  return new KernelLog(TracePipe.open(buffer === 'own'), signal, pollMs);
}

/** The lines of `bpf_printk()`, one after the other. Leaving the loop closes it. */
export class KernelLog implements AsyncIterable<KernelLogLine> {
  readonly #pipe: TracePipe;
  readonly #signal: AbortSignal | undefined;
  readonly #pollMs: number;
  readonly #parser = new TraceLineParser();
  readonly #closing = new AbortController();
  /** What was there as the log was closed. */
  readonly #left: string[] = [];
  #consumed = false;
  #lost = 0;

  /** @internal */
  constructor(pipe: TracePipe, signal: AbortSignal | undefined, pollMs: number) {
    this.#pipe = pipe;
    this.#signal = signal;
    this.#pollMs = pollMs;
    signal?.addEventListener(
      'abort',
      () => {
        if (!this.#consumed) this.#pipe.close();
      },
      { once: true },
    );
  }

  /** Lines that the kernel had no room for. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * The lines as they come.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when the log is being consumed already.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<KernelLogLine> {
    if (this.#consumed) throw UsageError.busy('the kernel log', 'something consumes it already; open another');
    this.#consumed = true;
    return this.#lines();
  }

  /** Ends the log: what was written until now is still delivered to whoever consumes it. May be called again. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    try {
      this.#pipe.stop();
      // Of the buffer of all there may be no end.
      for (let pieces = 0; pieces < mostPieces; pieces++) {
        const text = this.#pipe.read();
        if (text === undefined) break;
        this.#left.push(text);
      }
    } finally {
      this.#pipe.close();
      this.#closing.abort();
    }
    return Promise.resolve();
  }

  /** {@link close} at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#lines(): AsyncGenerator<KernelLogLine, undefined, undefined> {
    try {
      for (;;) {
        this.#signal?.throwIfAborted();
        const isEnd = this.#closing.signal.aborted;
        const text = this.#left.shift() ?? this.#pipe.read();
        const { lines, lost } = this.#parser.push(text ?? '');
        this.#lost += lost;
        yield* lines;
        if (text !== undefined) continue;
        yield* this.#parser.flush();
        if (isEnd) return undefined;
        await pause(this.#pollMs, this.#signal, this.#closing.signal);
      }
    } finally {
      this.#pipe.close();
    }
  }
}
