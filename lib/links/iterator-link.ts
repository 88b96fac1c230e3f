import { Readable } from 'node:stream';

import { LinkType } from '../abi/index.js';
import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { createIterator, type Handle, type IteratorLinkInfo } from '../sys/index.js';

import { batchesOf, linesOf, recordsOf } from './iterator-output.js';
import type { LinkDetails } from './link.js';
import { registerLinkClass } from './open-link.js';
import { UpdatableLink } from './updatable-link.js';

/** The codec of records, by their type in the object or a declared one. @internal */
export type RecordCodec = (type: string | Codec<unknown, never>) => Codec<unknown, never>;

/** @internal */
export interface IteratorDetails extends LinkDetails {
  readonly recordCodec?: RecordCodec | undefined;
}

/** How the output of an iterator is read. */
export interface IterateOptions {
  /** Aborting it ends the iteration, which then throws `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * An iterator that can be read: each reading goes over everything anew, and runs the program for each thing that it comes by. It
 * reads off the event loop, some tens of kilobytes at once. Pinned, it is a file that `cat` reads. Least kernel: 5.8.
 *
 * @example
 * ```js
 * const tasks = await ebpf.program('dump_task', IteratorProgram).attach();
 * for await (const line of tasks.lines()) console.log(line);            // of a program that writes text
 * for await (const task of tasks.records('task_entry')) console.log(task.pid);   // of one that writes structs
 * tasks.stream().pipe(response);
 * ```
 */
export class IteratorLink extends UpdatableLink {
  readonly #recordCodec: RecordCodec | undefined;

  static {
    registerLinkClass(LinkType.ITER, IteratorLink);
  }

  /** @internal */
  constructor(details: IteratorDetails) {
    super(details);
    this.#recordCodec = details.recordCodec;
  }

  /** As {@link Link.info}: also what it goes over. */
  override info(): IteratorLinkInfo {
    return this.infoOf('iter');
  }

  /** Goes over everything once; what the program writes comes as bytes. */
  stream(options: IterateOptions = {}): Readable {
    return Readable.from(this.#batches(options), { objectMode: false });
  }

  /** Goes over everything once; what the program writes comes line by line, as UTF-8, without the ends of lines. */
  lines(options: IterateOptions = {}): AsyncGenerator<string, void, undefined> {
    return linesOf(this.#batches(options));
  }

  /**
   * Goes over everything once; what the program writes with `bpf_seq_write` comes as records of one type: a declared one, checked
   * against the object's type of that name, or the C type of the object that has the given name.
   *
   * @throws {@link UsageError} when the object has no such type; and at the end, when what was written is no whole number of
   * records.
   */
  records<T>(type: Codec<T, never>, options?: IterateOptions): AsyncGenerator<T, void, undefined>;
  records(type: string, options?: IterateOptions): AsyncGenerator<unknown, void, undefined>;
  records<T>(type: string | Codec<T, never>, options: IterateOptions = {}): AsyncGenerator<T, void, undefined> {
    const codec = this.#codecOf(type) as Codec<T, never>;
    return recordsOf(this.#batches(options), codec, this.program);
  }

  #codecOf(type: string | Codec<unknown, never>): Codec<unknown, never> {
    if (this.#recordCodec !== undefined) return this.#recordCodec(type);
    if (typeof type !== 'string') return type;
    const problem = `the object of program ${quote(this.program)} is not at hand, so ${quote(type)} means nothing; declare it with struct()`;
    throw UsageError.invalidValue('type', problem);
  }

  #batches({ signal }: IterateOptions): AsyncGenerator<Uint8Array, void, undefined> {
    // Now: what is closed is refused before anything is read.
    const link = this.kernelLink;
    return batchesOf(async (): Promise<Handle> => createIterator(link), signal, this.program);
  }
}
