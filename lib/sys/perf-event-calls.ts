import { PerfEventAttr, PerfEventAttrBits } from '../abi/index.js';
import { KernelError, UsageError } from '../errors/index.js';
import { addon, completed } from './addon.js';
import { AttributeWriter } from './attribute-writer.js';
import { Handle } from './handle.js';
import { trace } from './trace.js';

/** The fields of `struct perf_event_attr` that hold plain numbers. */
export type PerfEventField = keyof typeof PerfEventAttr.fields;

/** Its bit-fields. */
export type PerfEventBit = keyof typeof PerfEventAttrBits;

/** PERF_FLAG_PID_CGROUP of include/uapi/linux/perf_event.h. */
const ofCgroup = 4;

/** Where the 64 bits are that hold all of them. */
const bitsOffset = 40;
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export interface OpenPerfEventOptions {
  readonly fields: Readonly<Partial<Record<PerfEventField, number | bigint>>>;
  /** Those that are 1. */
  readonly bits?: readonly PerfEventBit[] | undefined;
  /** A process or thread, -1 for every process, or the directory of a cgroup. */
  readonly pid: number | Handle;
  /** -1 for every CPU. */
  readonly cpu: number;
  readonly group?: Handle | undefined;
  readonly flags?: number | undefined;
  /** Text whose address goes into `config1`: the function or file of a probe. */
  readonly config1Text?: string | undefined;
  /** What is opened, for errors: `tracepoint "sched/sched_process_exec"`. */
  readonly name?: string | undefined;
}

/** The ioctl requests of a perf event (include/uapi/linux/perf_event.h) that take a number or a handle. */
export const PerfEventRequest = {
  ENABLE: 0x2400,
  DISABLE: 0x2401,
  REFRESH: 0x2402,
  RESET: 0x2403,
  /** Another perf event. */
  SET_OUTPUT: 0x2405,
  /** A program. */
  SET_BPF: 0x4004_2408,
  PAUSE_OUTPUT: 0x4004_2409,
} as const;
export type PerfEventRequest = (typeof PerfEventRequest)[keyof typeof PerfEventRequest];

/** perf_event_open(2) on the event loop: microseconds for tracepoints and counters. Throws KernelError. */
export function openPerfEvent(options: OpenPerfEventOptions): Handle {
  return opened(addon().perfEventOpen(...openArguments(options)), options.name);
}

/** As {@link openPerfEvent}, off the event loop: probes wait for the kernel's code to be changed on every CPU. */
export async function openPerfEventAsync(options: OpenPerfEventOptions): Promise<Handle> {
  const native = addon();
  return opened(
    await completed((completion) => native.perfEventOpen(...openArguments(options), completion)),
    options.name,
  );
}

/** ioctl(2) on a perf event, on the event loop. Returns the kernel's number; throws KernelError. */
export function perfEventIoctl(event: Handle, request: PerfEventRequest, argument: number | Handle = 0): number {
  return controlled(event, request, addon().perfEventControl(tokenOf(event), request, tokenOf(argument)));
}

/** As {@link perfEventIoctl}, off the event loop. */
export async function perfEventIoctlAsync(
  event: Handle,
  request: PerfEventRequest,
  argument: number | Handle = 0,
): Promise<number> {
  const native = addon();
  const [token, value] = [tokenOf(event), tokenOf(argument)];
  return controlled(
    event,
    request,
    await completed((completion) => native.perfEventControl(token, request, value, completion)),
  );
}

type OpenArguments = [
  ...ids: [pid: number, cpu: number, group: number, flags: number],
  buffers: readonly Uint8Array[],
  patches: Float64Array,
];

function openArguments(options: OpenPerfEventOptions): OpenArguments {
  const { fields, bits = [], pid, cpu, group, flags = 0, config1Text } = options;
  const attr = new AttributeWriter(PerfEventAttr).number('size', PerfEventAttr.size);
  let word = 0n;
  for (const bit of bits) {
    // C counts bit-fields from the lowest bit on little-endian machines, from the highest on big-endian ones.
    const place = PerfEventAttrBits[bit][0] - bitsOffset * 8;
    word |= 1n << BigInt(littleEndian ? place : 63 - place);
  }
  new DataView(attr.bytes.buffer).setBigUint64(bitsOffset, word, littleEndian);
  for (const [field, value] of Object.entries(fields)) attr.number(field as PerfEventField, value);
  attr.string('config1', config1Text, 'name of a function or file');
  const allFlags = typeof pid === 'number' ? flags : flags | ofCgroup;
  return [tokenOf(pid), cpu, group === undefined ? -1 : tokenOf(group), allFlags, attr.buffers, attr.patches];
}

function tokenOf(value: Handle | number): number {
  if (typeof value === 'number') return value;
  if (value.closed) throw UsageError.closed(value.describe());
  return value.token;
}

function opened(token: number, name: string | undefined): Handle {
  trace('perf_event_open', token);
  if (token < 0) throw new KernelError(`open ${name ?? 'a perf event'}`, 'perf_event_open', token);
  return new Handle('perf-event', token, name);
}

function controlled(event: Handle, request: PerfEventRequest, result: number): number {
  const name = Object.entries(PerfEventRequest).find(([, value]) => value === request)?.[0] ?? String(request);
  const call = `ioctl(PERF_EVENT_IOC_${name})`;
  trace(call, result);
  if (result < 0) throw new KernelError(`control ${event.describe()}`, call, result);
  return result;
}
