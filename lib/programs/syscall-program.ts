import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import { Program } from './program.js';

/** What a run of a {@link SyscallProgram} left. */
export interface SyscallResult<Context> {
  /** What the program returned, as 32 bits without a sign. */
  readonly returnValue: number;
  /** Its context as it left it. */
  readonly context: Context;
}

/**
 * A program of section `syscall`: it is attached to nothing and runs when it is called, as the process that calls it, may sleep and
 * make bpf(2) calls. Least kernel: 5.14.
 *
 * @example
 * ```js
 * const { context } = await ebpf.program('add', SyscallProgram).run('args', { a: 1n, b: 2n, sum: 0n });
 * console.log(context.sum);
 * ```
 */
export class SyscallProgram extends Program {
  /**
   * Runs the program once, off the event loop, on a context: the bytes of its argument, or a value with its type, a declared one or
   * the C type of the object that has the given name.
   *
   * @throws {@link UsageError} for a type that the object has not or a value that is not of it; {@link KernelError} such as
   * EINVAL when the program looks at more bytes than are given.
   */
  async run(context?: Uint8Array): Promise<SyscallResult<Uint8Array>>;
  async run<Value, Input>(type: Codec<Value, Input>, value: Input): Promise<SyscallResult<Value>>;
  async run(type: string, value: unknown): Promise<SyscallResult<unknown>>;
  async run(first?: Uint8Array | string | Codec<unknown, never>, value?: unknown): Promise<SyscallResult<unknown>> {
    if (first === undefined || first instanceof Uint8Array) {
      const { returnValue, contextOut } = await this.testRun(first === undefined ? {} : { context: first });
      return { returnValue, context: contextOut };
    }
    const codec = this.#codecOf(first);
    const bytes = new Uint8Array(codec.size);
    codec.encode(value as never, new DataView(bytes.buffer), 0, 'value');
    const { returnValue, contextOut } = await this.testRun({ context: bytes });
    const view = new DataView(contextOut.buffer, contextOut.byteOffset, contextOut.byteLength);
    return { returnValue, context: codec.decode(view, 0, contextOut.byteLength) };
  }

  protected override sectionObstacle(): string | undefined {
    return 'it is attached to nothing: program.run()';
  }

  #codecOf(type: string | Codec<unknown, never>): Codec<unknown, never> {
    if (this.recordCodec !== undefined) return this.recordCodec(type);
    if (typeof type !== 'string') return type;
    throw UsageError.invalidValue('type', `${quote(type)} means nothing without the object; declare it with struct()`);
  }
}
