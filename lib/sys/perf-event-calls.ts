import { PerfEventAttr } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { Operation } from './addon.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { callLater, callNow } from './bpf-call.js';
import { Handle } from './handle.js';
import { trace } from './trace.js';

/** The fields of `struct perf_event_attr` that hold plain numbers. */
export type PerfEventField = keyof typeof PerfEventAttr.fields;

export interface OpenPerfEventOptions {
  readonly fields: Readonly<Partial<Record<PerfEventField, number | bigint>>>;
  /** -1 for every process. */
  readonly pid: number;
  /** -1 for every CPU. */
  readonly cpu: number;
  readonly group?: Handle | undefined;
  readonly flags?: number | undefined;
  /** Text whose address goes into `config1`: the function or file of a probe. */
  readonly config1Text?: string | undefined;
  /** What is opened, for errors: `tracepoint "sched/sched_process_exec"`. */
  readonly name?: string | undefined;
}

/** The ioctl requests of a perf event (include/uapi/linux/perf_event.h), with what each takes. */
export const PerfEventRequest = {
  ENABLE: 0x2400,
  DISABLE: 0x2401,
  REFRESH: 0x2402,
  RESET: 0x2403,
  /** A buffer of 8 bytes: the new period. */
  PERIOD: 0x4008_2404,
  /** Another perf event. */
  SET_OUTPUT: 0x2405,
  /** A buffer: the filter as a C string. */
  SET_FILTER: 0x4008_2406,
  /** A buffer of 8 bytes that takes the id. */
  ID: 0x8008_2407,
  /** A program. */
  SET_BPF: 0x4004_2408,
  PAUSE_OUTPUT: 0x4004_2409,
} as const;
export type PerfEventRequest = (typeof PerfEventRequest)[keyof typeof PerfEventRequest];

/** perf_event_open(2) on the event loop: microseconds for tracepoints and counters. Throws KernelError. */
export function openPerfEvent(options: OpenPerfEventOptions): Handle {
  return opened(callNow(Operation.PERF_EVENT_OPEN, 0, openAttributes(options)), options.name);
}

/** As {@link openPerfEvent}, off the event loop: probes wait for the kernel's code to be changed on every CPU. */
export async function openPerfEventAsync(options: OpenPerfEventOptions): Promise<Handle> {
  return opened(await callLater(Operation.PERF_EVENT_OPEN, 0, openAttributes(options)), options.name);
}

/** ioctl(2) on a perf event, on the event loop. Returns the kernel's number; throws KernelError. */
export function perfEventIoctl(
  event: Handle,
  request: PerfEventRequest,
  argument: number | Uint8Array | Handle = 0,
): number {
  const result = callNow(Operation.PERF_EVENT_CONTROL, request, controlAttributes(event, argument));
  return controlled(event, request, result);
}

/** As {@link perfEventIoctl}, off the event loop. */
export async function perfEventIoctlAsync(
  event: Handle,
  request: PerfEventRequest,
  argument: number | Uint8Array | Handle = 0,
): Promise<number> {
  const result = await callLater(Operation.PERF_EVENT_CONTROL, request, controlAttributes(event, argument));
  return controlled(event, request, result);
}

/** The arguments of perf_event_open(2) besides the attributes, and those of ioctl(2), as the addon takes them. */
const OpenArguments = { size: 24, fields: { pid: [0, 4], cpu: [4, 4], group: [8, 4], flags: [16, 8] } } as const;
const ControlArguments = { size: 16, fields: { event: [0, 4], argument: [8, 8] } } as const;

function openAttributes(options: OpenPerfEventOptions): AttributeWriter<string> {
  const attr = new AttributeWriter(PerfEventAttr).number('size', PerfEventAttr.size);
  for (const [field, value] of Object.entries(options.fields)) attr.number(field as PerfEventField, value);
  const { pid, cpu, group, flags } = options;
  const rest = new AttributeWriter(OpenArguments).number('pid', pid).number('cpu', cpu).number('group', -1);
  attr.add(rest.number('flags', flags).bytes, Direction.TO_KERNEL);
  attr.string('config1', options.config1Text, 'name of a function or file');
  return group === undefined ? attr : attr.handleIn(rest.bytes, OpenArguments.fields.group[0], group);
}

function controlAttributes(event: Handle, argument: number | Uint8Array | Handle): AttributeWriter<string> {
  const attr = new AttributeWriter(ControlArguments).handle('event', event);
  if (argument instanceof Handle) return attr.handle('argument', argument);
  return typeof argument === 'number'
    ? attr.number('argument', argument)
    : attr.pointer('argument', argument, Direction.BOTH);
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
