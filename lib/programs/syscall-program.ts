import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import { Program } from './program.js';
import type { TestRunOptions, TestRunResult } from './test-run.js';

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
 * const { context } = await ebpf.program('add', SyscallProgram).run({ a: 1, b: 2, sum: 0 });
 * console.log(context.sum);
 * ```
 */
export class SyscallProgram extends Program {
  /**
   * Runs the program once, off the event loop, on a context: a value of the struct that its C function takes, a value with its type, a
   * declared one or the C type of the object that has the given name, or bytes. All members must be given.
   *
   * @throws {@link UsageError} for a type that the object has not or a value that is not of it; {@link KernelError} such as
   * EINVAL when the program looks at more bytes than are given.
   */
  async run(context?: Uint8Array): Promise<SyscallResult<Uint8Array>>;
  async run<Value, Input>(type: Codec<Value, Input>, value: Input): Promise<SyscallResult<Value>>;
  async run(type: string, value: unknown): Promise<SyscallResult<unknown>>;
  async run(context: Readonly<Record<string, unknown>>): Promise<SyscallResult<unknown>>;
  async run(...given: readonly [first?: unknown, value?: unknown]): Promise<SyscallResult<unknown>> {
    const [first, value] = given;
    if (first === undefined || first instanceof Uint8Array) {
      const { returnValue, contextOut } = await super.testRun(first === undefined ? {} : { context: first });
      return { returnValue, context: contextOut };
    }
    const isOwn = given.length === 1;
    const codec = isOwn ? this.#ownCodec() : this.#codecOf(first as string | Codec<unknown, never>);
    const { returnValue, context } = await this.#runOn(codec, isOwn ? first : value, {});
    return { returnValue, context };
  }

  /**
   * As {@link Program.testRun}. The context is a value of the struct that its C function takes, of which all members must be given,
   * or bytes.
   *
   * @example
   * ```js
   * const { returnValue, context } = await program.testRun({ context: { a: 1, b: 2, sum: 0 } });
   * ```
   */
  override async testRun(options: TestRunOptions = {}): Promise<TestRunResult> {
    const { context, ...rest } = options;
    if (context === undefined || context instanceof Uint8Array) return super.testRun(options);
    return this.#runOn(this.#ownCodec(), context, rest);
  }

  protected override sectionObstacle(): string | undefined {
    return 'it is attached to nothing: program.run()';
  }

  async #runOn(
    codec: Codec<unknown, never>,
    value: unknown,
    options: Omit<TestRunOptions, 'context'>,
  ): Promise<TestRunResult> {
    const context = new Uint8Array(codec.size);
    codec.encode(value as never, new DataView(context.buffer), 0, 'context');
    const result = await super.testRun({ ...options, context });
    const { contextOut } = result;
    const view = new DataView(contextOut.buffer, contextOut.byteOffset, contextOut.byteLength);
    return { ...result, context: codec.decode(view, 0, contextOut.byteLength) };
  }

  #ownCodec(): Codec<unknown> {
    const codec = this.contextCodec;
    if (codec !== undefined) return codec;
    const problem = `the types of its object do not tell which struct program ${quote(this.name)} takes; give bytes, or run(type, value)`;
    throw UsageError.invalidValue('context', problem);
  }

  #codecOf(type: string | Codec<unknown, never>): Codec<unknown, never> {
    if (this.recordCodec !== undefined) return this.recordCodec(type);
    if (typeof type !== 'string') return type;
    throw UsageError.invalidValue('type', `${quote(type)} means nothing without the object; declare it with struct()`);
  }
}
