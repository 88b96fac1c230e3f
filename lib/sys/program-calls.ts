import {
  BpfCommand,
  EnableStatsAttr,
  ProgLoadAttr,
  ProgStreamReadAttr,
  ProgTestRunAttr,
  StatsType,
  type ProgramType,
} from '../abi/index.js';
import { UsageError } from '../errors/index.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { bpf, bpfAsync, tryBpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';
import { withKernelLog, type LoggedResult } from './kernel-log.js';
import { flagsWithToken, type DeviceOfLoad } from './map-calls.js';

/** Where a program's code takes a descriptor, of a map or a module's BTF: the byte offset of a 4-byte immediate. */
export interface CodeBinding {
  readonly offset: number;
  readonly handle: Handle;
}

export interface LoadProgramOptions {
  readonly type: ProgramType;
  /** At most 15 characters of those the kernel takes. */
  readonly name: string;
  /** Eight bytes an instruction, in the machine's byte order; not changed. */
  readonly code: Uint8Array;
  readonly bindings: readonly CodeBinding[];
  /** BTF of the modules whose functions it calls; a call's offset is the place here, counted from 1. Linux 5.16. */
  readonly functionModules?: readonly Handle[] | undefined;
  readonly license: string;
  /** An `AttachType`, or of a struct_ops program the index of a member. */
  readonly expectedAttachType?: number | undefined;
  readonly attachBtfId?: number | undefined;
  /** The module's BTF, or the program, that `attachBtfId` belongs to; vmlinux without it. To the kernel they are one field. */
  readonly attachBtf?: Handle | undefined;
  readonly flags?: number | undefined;
  readonly kernelVersion?: number | undefined;
  /** The network interface that an XDP program is loaded for. */
  readonly device?: DeviceOfLoad | undefined;
  /** A BPF token that gives the right to it. Linux 6.9. */
  readonly token?: Handle | undefined;
  readonly btf?: Handle | undefined;
  readonly functionInfo?: Uint8Array | undefined;
  readonly functionInfoRecordSize?: number | undefined;
  readonly lineInfo?: Uint8Array | undefined;
  readonly lineInfoRecordSize?: number | undefined;
  /** What the verifier writes on success: a sum of {@link LogLevel}, nothing without it. Of a refusal it writes the way there. */
  readonly logLevel?: number | undefined;
  /** The most bytes of log that are kept; 16 MiB without it. */
  readonly logSize?: number | undefined;
}

/** Values of `log_level`, to be added up (include/linux/bpf_verifier.h). */
export const LogLevel = {
  /** The way that led to a refusal. */
  FAILURE: 1,
  /** Every way that was walked, with what was known of registers and stack. */
  ALL: 2,
  /** Time, stack depth and states. */
  STATISTICS: 4,
} as const;

/** A loaded program, or why the kernel refused it. */
export type LoadProgramResult =
  | { readonly handle: Handle; readonly log: string; readonly logTruncated: boolean }
  | { readonly handle?: undefined; readonly errno: number; readonly log: string; readonly logTruncated: boolean };

/** BPF_F_XDP_DEV_BOUND_ONLY: the interface's program runs on the host, not in its card. Linux 6.3. */
export const BOUND_ONLY = 0x40;

const BYTES_PER_INSTRUCTION = 8;
const BYTES_PER_DESCRIPTOR = 4;

/**
 * Hands a program to the verifier, off the event loop. A refusal is a result, not an error: the caller knows what the
 * program was made from and can explain the log. A first attempt without a log saves its cost where all is well.
 */
export async function loadProgram(options: LoadProgramOptions): Promise<LoadProgramResult> {
  if (options.code.byteLength === 0 || options.code.byteLength % BYTES_PER_INSTRUCTION !== 0) {
    throw UsageError.invalidValue('code', `${options.code.byteLength} bytes are not whole instructions`);
  }
  const { logLevel = 0 } = options;
  const asked = logLevel === 0 ? undefined : await loadWithLog(options, logLevel);
  // That a log is too long to be kept does not speak against its program.
  const result = asked === undefined || asked.truncated ? await loadWithoutLog(options) : asked.result;
  if (result >= 0) return loadResult(options, result, asked);
  const refused = await loadWithLog(options, LogLevel.FAILURE);
  return loadResult(options, refused.truncated ? result : refused.result, refused);
}

async function loadWithoutLog(options: LoadProgramOptions): Promise<number> {
  return tryBpfAsync(BpfCommand.PROG_LOAD, loadAttributes(options), options.device?.networkNamespace);
}

async function loadWithLog(options: LoadProgramOptions, logLevel: number): Promise<LoggedResult> {
  return withKernelLog(async (log) => {
    const attr = loadAttributes(options)
      .pointer('log_buf', log, Direction.FROM_KERNEL, 'log_size')
      .number('log_level', logLevel);
    const result = await tryBpfAsync(BpfCommand.PROG_LOAD, attr, options.device?.networkNamespace);
    return { result, trueSize: attr.read('log_true_size') };
  }, options.logSize);
}

function loadResult(
  { name }: LoadProgramOptions,
  result: number,
  { log, truncated: logTruncated }: Pick<LoggedResult, 'log' | 'truncated'> = { log: '', truncated: false },
): LoadProgramResult {
  if (result >= 0) return { handle: new Handle('program', result, name), log, logTruncated };
  return { errno: result, log, logTruncated };
}

function loadAttributes(options: LoadProgramOptions): AttributeWriter<keyof typeof ProgLoadAttr.fields> {
  const attr = new AttributeWriter(ProgLoadAttr)
    .number('prog_type', options.type)
    .number('insn_cnt', options.code.byteLength / BYTES_PER_INSTRUCTION)
    .pointer('insns', options.code, Direction.TO_KERNEL)
    .string('license', options.license, 'license')
    .number('kern_version', options.kernelVersion)
    .number('prog_flags', flagsWithToken(options.flags, options.token))
    .name('prog_name', options.name)
    .number('prog_ifindex', options.device?.index)
    .number('expected_attach_type', options.expectedAttachType)
    .number('attach_btf_id', options.attachBtfId)
    .handle('attach_btf_obj_fd', options.attachBtf)
    .handle('prog_btf_fd', options.btf)
    .handle('prog_token_fd', options.token);
  for (const { offset, handle } of options.bindings) attr.handleIn(options.code, offset, handle);
  functionModules(attr, options.functionModules ?? []);
  records(attr, 'func_info', options.functionInfo, options.functionInfoRecordSize);
  records(attr, 'line_info', options.lineInfo, options.lineInfoRecordSize);
  return attr;
}

/** Place 0 of the array stands for the kernel proper and is not read (`__find_kfunc_desc_btf` of kernel/bpf/verifier.c). */
function functionModules(attr: AttributeWriter<keyof typeof ProgLoadAttr.fields>, modules: readonly Handle[]): void {
  if (modules.length === 0) return;
  const descriptors = new Uint8Array((modules.length + 1) * BYTES_PER_DESCRIPTOR);
  attr.pointer('fd_array', descriptors, Direction.TO_KERNEL);
  for (const [index, module] of modules.entries()) {
    attr.handleIn(descriptors, (index + 1) * BYTES_PER_DESCRIPTOR, module);
  }
}

function records(
  attr: AttributeWriter<keyof typeof ProgLoadAttr.fields>,
  field: 'func_info' | 'line_info',
  bytes: Uint8Array | undefined,
  recordSize: number | undefined,
): void {
  if (bytes === undefined || bytes.byteLength === 0) return;
  if (recordSize === undefined || recordSize === 0 || bytes.byteLength % recordSize !== 0) {
    throw UsageError.invalidValue(field, `${bytes.byteLength} bytes are not whole records of ${recordSize ?? 0} bytes`);
  }
  attr
    .pointer(field, bytes, Direction.TO_KERNEL)
    .number(`${field}_rec_size`, recordSize)
    .number(`${field}_cnt`, bytes.byteLength / recordSize);
}

/** What a program runs on. */
export interface TestRunInput {
  /** The packet, for program types that take one: at least the 14 bytes of an Ethernet header. */
  readonly data?: Uint8Array | undefined;
  /** Bytes kept of the packet as the program left it; the packet's length and 256 more without it, none of live frames. */
  readonly dataOutSize?: number | undefined;
  /** What the program sees beside the packet, or its arguments. */
  readonly context?: Uint8Array | undefined;
  /** Bytes kept of the context as the program left it, for program types whose context comes back that way. */
  readonly contextOutSize?: number | undefined;
  /** How often it runs, on the same input; of live frames how many frames. Default: once. */
  readonly repeat?: number | undefined;
  /** On which CPU it runs: raw tracepoints only. Least kernel: 5.10. */
  readonly cpu?: number | undefined;
  /**
   * XDP: the kernel does what the program returns, as with packets that an interface received: it passes them to its stack,
   * sends them out again or redirects them. `context` names the interface. Nothing comes back. Least kernel: 5.18.
   */
  readonly liveFrames?: boolean | undefined;
  /** How many live frames are worked on at once, at most 256. Default: 64. */
  readonly batchSize?: number | undefined;
  /** BPF_F_TEST_* flags beyond those that `cpu` and `liveFrames` stand for. */
  readonly flags?: number | undefined;
}

export interface TestRunOutput {
  /** What the program returned, as 32 bits without a sign: TC_ACT_UNSPEC is 4294967295. */
  readonly returnValue: number;
  /** The packet as the program left it. */
  readonly dataOut: Uint8Array;
  /** The context after the run: `contextOutSize` bytes of it, else what the program left in `context` itself. */
  readonly contextOut: Uint8Array;
  /** Nanoseconds that one repetition took on average; 0 where the kernel does not measure. */
  readonly durationNs: number;
}

/** BPF_F_TEST_RUN_ON_CPU and BPF_F_TEST_XDP_LIVE_FRAMES. */
const TestRunFlag = { ON_CPU: 1, LIVE_FRAMES: 2 } as const;

/**
 * Runs a loaded program on made-up input, off the event loop. Rejects with KernelError: ENOTSUPP for types without it, and
 * where the kernel has none of what was asked for.
 */
export async function testRunProgram(
  program: Handle,
  options: TestRunInput = {},
  networkNamespace?: Handle,
): Promise<TestRunOutput> {
  const { data, context, liveFrames = false } = options;
  const kept = data === undefined || liveFrames ? 0 : data.byteLength + 256;
  const dataOut = new Uint8Array(options.dataOutSize ?? kept);
  const contextOut = new Uint8Array(options.contextOutSize ?? 0);
  // A program of type SYSCALL writes its results into the context given.
  const contextInOut = context === undefined ? undefined : Uint8Array.from(context);
  const onCpu = options.cpu === undefined ? 0 : TestRunFlag.ON_CPU;
  const attr = new AttributeWriter(ProgTestRunAttr)
    .handle('prog_fd', program)
    .number('repeat', options.repeat)
    .number('flags', ((options.flags ?? 0) | onCpu | (liveFrames ? TestRunFlag.LIVE_FRAMES : 0)) >>> 0)
    .number('cpu', options.cpu)
    .number('batch_size', options.batchSize)
    .pointer('data_in', data, Direction.TO_KERNEL, 'data_size_in')
    .pointer('data_out', dataOut.byteLength > 0 ? dataOut : undefined, Direction.FROM_KERNEL, 'data_size_out')
    .pointer('ctx_in', contextInOut, Direction.BOTH, 'ctx_size_in')
    .pointer('ctx_out', contextOut.byteLength > 0 ? contextOut : undefined, Direction.FROM_KERNEL, 'ctx_size_out');
  await bpfAsync(BpfCommand.PROG_TEST_RUN, attr, `test-run ${program.describe()}`, networkNamespace);
  return {
    returnValue: attr.read('retval'),
    dataOut: dataOut.subarray(0, Math.min(attr.read('data_size_out'), dataOut.byteLength)),
    contextOut:
      contextOut.byteLength > 0
        ? contextOut.subarray(0, Math.min(attr.read('ctx_size_out'), contextOut.byteLength))
        : (contextInOut ?? contextOut),
    durationNs: attr.read('duration'),
  };
}

/** Has the kernel count runs of programs and their time, until the handle is closed. Linux 5.8. */
export function enableStatistics(): Handle {
  const attr = new AttributeWriter(EnableStatsAttr).number('type', StatsType.RUN_TIME);
  const name = 'the statistics of programs';
  return new Handle('other', bpf(BpfCommand.ENABLE_STATS, attr, 'have the runs of programs counted'), name);
}

/**
 * Takes what a program has written into a stream (BPF_STDOUT 1, BPF_STDERR 2) out of it; returns the bytes read, 0 when it is
 * empty. Linux 6.17. Throws KernelError.
 */
export function readProgramStream(program: Handle, stream: number, destination: Uint8Array): number {
  const attr = new AttributeWriter(ProgStreamReadAttr)
    .pointer('stream_buf', destination, Direction.FROM_KERNEL, 'stream_buf_len')
    .number('stream_id', stream)
    .handle('prog_fd', program);
  return bpf(BpfCommand.PROG_STREAM_READ_BY_FD, attr, `read a stream of ${program.describe()}`);
}
