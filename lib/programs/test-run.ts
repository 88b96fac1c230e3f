import { inspect } from 'node:util';

import { ProgramType } from '../abi/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { openNetworkNamespace, programTypeName, type NetworkNamespaceSource } from '../kernel/index.js';
import { testRunProgram, type Handle, type TestRunInput, type TestRunOutput } from '../sys/index.js';

import { contextTypeOf, decodeContext, encodeArguments, encodeContext } from './run-context.js';
import type { ContextType } from './run-contexts.js';

/** What {@link Program.testRun} runs a program on. `Context` is what programs of the type take as `context` beside bytes. */
export interface TestRunOptions<Context = object> extends Omit<TestRunInput, 'context'> {
  /**
   * What the program sees beside the packet: members of its `struct __sk_buff` or `struct xdp_md`, such as `{ mark: 7 }`, where the
   * others are 0, or its arguments: `[1, 2n]`. Or the bytes, in the kernel's layout.
   */
  readonly context?: Uint8Array | Context | undefined;
  /** The network namespace in which it runs, whose interfaces `context` may name; default: the process's own. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** What a run left. `Context` is what programs of the type give back. */
export interface TestRunResult<Context = unknown> extends TestRunOutput {
  /** The members of the context as the program left them; undefined where the kernel gives none back. */
  readonly context: Context;
}

/** ETH_HLEN: a packet that has no room for an Ethernet header is refused (bpf_test_init in net/bpf/test_run.c). */
const shortestPacket = 14;

/** The types that run on a packet. */
const packetTypes: ReadonlySet<ProgramType> = new Set([
  ProgramType.SOCKET_FILTER,
  ProgramType.SCHED_CLS,
  ProgramType.SCHED_ACT,
  ProgramType.XDP,
  ProgramType.CGROUP_SKB,
  ProgramType.LWT_IN,
  ProgramType.LWT_OUT,
  ProgramType.LWT_XMIT,
  ProgramType.LWT_SEG6LOCAL,
  ProgramType.FLOW_DISSECTOR,
]);

/** Those whose context is their arguments, eight bytes each. */
const typesOfArguments: ReadonlySet<ProgramType> = new Set([
  ProgramType.RAW_TRACEPOINT,
  ProgramType.RAW_TRACEPOINT_WRITABLE,
  ProgramType.STRUCT_OPS,
]);

/** More than any context has; the kernel refuses to leave one in less than it takes. */
const roomForContext = 1024;

/** Runs a program of a type on made-up input. The caller knows what the context of the type is. */
export async function runTest<Context = unknown>(
  program: Handle,
  type: ProgramType,
  options: TestRunOptions,
): Promise<TestRunResult<Context>> {
  requireKnown(options);
  requireBuffer('data', options.data);
  requireCounts(options);
  if (packetTypes.has(type)) requirePacket(program, options.data);
  const { netns, context: given, ...rest } = options;
  const contextType = contextTypeOf(type);
  const context = contextBytes(type, contextType, given, options.data);
  const contextOutSize = options.contextOutSize ?? (comesBack(type, contextType, options) ? roomForContext : undefined);
  const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
  try {
    const output = await testRunProgram(program, { ...rest, context, contextOutSize }, networkNamespace);
    const decoded = contextOutSize === undefined || contextType === undefined ? undefined : output.contextOut;
    return { ...output, context: (decoded && contextType && decodeContext(contextType, decoded)) as Context };
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (error.errnoName === 'ENOSPC') {
      const problem = `${program.describe()} left more than there is room for; give more`;
      throw UsageError.invalidValue('dataOutSize', problem, { cause: error });
    }
    if (error.errnoName !== 'EINVAL' || contextType === undefined || given === undefined || given === context)
      throw error;
    const problem = `the kernel refuses it, or another option, for ${program.describe()} (EINVAL): ${contextType.advice}`;
    throw UsageError.invalidValue('context', problem, { cause: error });
  } finally {
    networkNamespace?.close();
  }
}

/** Packets have a context in any case; XDP and flow dissectors when one is given, and live frames give nothing back. */
function comesBack(type: ProgramType, contextType: ContextType | undefined, options: TestRunOptions): boolean {
  if (contextType === undefined || contextType.gives.length === 0 || options.liveFrames === true) return false;
  const always = type !== ProgramType.XDP && type !== ProgramType.FLOW_DISSECTOR;
  return always || options.context !== undefined;
}

function contextBytes(
  type: ProgramType,
  contextType: ContextType | undefined,
  context: Uint8Array | object | undefined,
  data: Uint8Array | undefined,
): Uint8Array | undefined {
  if (context === undefined || context instanceof Uint8Array) return context;
  const takesArguments = typesOfArguments.has(type);
  if (takesArguments && Array.isArray(context)) return encodeArguments(context);
  const isObject = typeof context === 'object' && (context as unknown) !== null && !Array.isArray(context);
  if (contextType !== undefined && isObject) {
    // The kernel wants to be told where the packet ends.
    const end = type === ProgramType.XDP && !('data_end' in context) ? { data_end: data?.byteLength } : {};
    return encodeContext(contextType, { ...context, ...end });
  }
  const also = takesArguments
    ? ' or an array of arguments'
    : contextType === undefined
      ? ` for programs of type ${programTypeName(type)}`
      : ` or an object of members of ${contextType.codec.typeName}`;
  throw UsageError.invalidValue('context', `must be a Uint8Array${also}, not ${inspect(context, { depth: 0 })}`);
}

const counts = ['repeat', 'batchSize', 'cpu', 'flags', 'dataOutSize', 'contextOutSize'] as const;
const known: readonly string[] = ['data', 'context', ...counts, 'liveFrames', 'netns'];

function requireKnown(options: TestRunOptions): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw UsageError.notFound('option of testRun', name, known);
  }
}

function requireBuffer(name: string, value: unknown): void {
  if (value === undefined || value instanceof Uint8Array) return;
  throw UsageError.invalidValue(name, `must be a Uint8Array, not ${inspect(value, { depth: 0 })}`);
}

/** What the kernel says EINVAL to; before Linux 5.15 of XDP nothing. */
function requirePacket(program: Handle, data: Uint8Array | undefined): void {
  if (data !== undefined && data.byteLength >= shortestPacket) return;
  const given = data === undefined ? 'it is missing' : `it has ${data.byteLength} bytes`;
  const problem = `${given}; ${program.describe()} runs on a packet, of at least ${shortestPacket} bytes`;
  throw UsageError.invalidValue('data', problem);
}

function requireCounts(options: TestRunOptions): void {
  for (const name of counts) {
    const value = options[name];
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)) continue;
    throw UsageError.invalidValue(name, `must be a whole number from 0, not ${String(value)}`);
  }
  if (options.batchSize !== undefined && options.liveFrames !== true) {
    throw UsageError.invalidValue('batchSize', `is of runs with ${quote('liveFrames')} only`);
  }
}
