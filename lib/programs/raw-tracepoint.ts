import { EbpfError, UsageError, escapeControl, quote } from '../errors/index.js';
import { rawTracepointNames } from '../kernel/index.js';
import { RawTracepointLink } from '../links/index.js';
import { openRawTracepoint, type TestRunResult } from '../sys/index.js';

import { attachFailure, cookieFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import type { TestRunOptions } from './test-run.js';

/** Where and how {@link RawTracepoint.attach} attaches. */
export interface RawTracepointAttachOptions extends AttachOptions {
  /** The tracepoint's name without its category, such as `sched_process_exec`; without it the section says where. */
  readonly tracepoint?: string | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 6.9. */
  readonly cookie?: number | bigint | undefined;
}

/** What {@link RawTracepoint.testRun} runs a program on. */
export interface RawTracepointTestRunOptions extends TestRunOptions {
  /** The tracepoint's arguments, at most 12, in place of a `context` of eight bytes each. */
  readonly args?: readonly (number | bigint)[] | undefined;
}

/** MAX_BPF_FUNC_ARGS of include/linux/bpf.h, which bpf_prog_test_run_raw_tp holds a context against. */
const mostArguments = 12;

/**
 * A program of section `raw_tp/<name>` (or `raw_tracepoint/<name>`): it runs when the kernel passes that tracepoint and
 * sees its raw arguments. Needs no tracefs. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_system_call', RawTracepoint).attach({ tracepoint: 'sys_enter' });
 * ```
 */
export class RawTracepoint extends Program {
  /**
   * Attaches to the tracepoint that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names a tracepoint, or the kernel has none of that name;
   * {@link PermissionError}.
   */
  override async attach(options: RawTracepointAttachOptions = {}): Promise<RawTracepointLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const name = options.tracepoint ?? this.attachTo;
    if (name === undefined || name === '') {
      throw UsageError.invalidValue(
        'tracepoint',
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { tracepoint: 'name' }`,
      );
    }
    const target = `raw_tp ${escapeControl(name)}`;
    try {
      const handle = await openRawTracepoint(this.handle, name, cookie);
      return await this.attached(RawTracepointLink, handle, target, signal);
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'ENOENT') {
        throw UsageError.notFound('raw tracepoint', name, await rawTracepointNames());
      }
      const reason = cookieFailure(error, cookie, target, '6.9');
      throw attachFailure(reason, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  /**
   * Runs the program once with made-up arguments, without attaching it, off the event loop. Least kernel: 5.10.
   *
   * @throws {@link UsageError} for options that do not fit; {@link KernelError} EINVAL when the program looks at more arguments
   * than are given, ENXIO for a CPU that is not online.
   *
   * @example
   * ```js
   * const { returnValue } = await ebpf.program('on_exec', RawTracepoint).testRun({ args: [0, process.pid] });
   * ```
   */
  override async testRun(options: RawTracepointTestRunOptions = {}): Promise<TestRunResult> {
    const { args, ...rest } = options;
    if (args === undefined) return super.testRun(rest);
    if (rest.context !== undefined) throw UsageError.invalidValue('context', 'it is what args say; give one of them');
    return super.testRun({ ...rest, context: encodeArguments(args) });
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no tracepoint` : undefined;
  }
}

function encodeArguments(args: readonly unknown[]): Uint8Array {
  if (!Array.isArray(args) || args.length > mostArguments) {
    throw UsageError.invalidValue('args', `must be an array of at most ${mostArguments} numbers`);
  }
  return new Uint8Array(BigUint64Array.from(args, encodeArgument).buffer);
}

function encodeArgument(value: unknown, index: number): bigint {
  const word = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : undefined;
  const bits = word === undefined ? undefined : BigInt.asUintN(64, word);
  if (bits !== undefined && (word === bits || word === BigInt.asIntN(64, bits))) return bits;
  throw UsageError.invalidValue(
    `args[${index}]`,
    `must be a safe integer or a bigint of 64 bits, not ${String(value)}`,
  );
}
