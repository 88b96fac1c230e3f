import { UsageError, escapeControl, quote, type EbpfError } from '../errors/index.js';
import { openCgroup, type CgroupSource } from '../kernel/index.js';
import { PerfEventsLink, type PerfEventPart, type PerfEventsDetails } from '../links/index.js';
import { duplicateHandle, openPerfEventAsync, type Handle, type PerfEventBit } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { attachToPerfEvent, closeOnExec } from './perf-event-attach.js';
import { CpuFollower } from './perf-event-cpus.js';
import { perfEventFailure, isGone } from './perf-event-failure.js';
import { perfEventPlaces, type PerfEventPlace, type PerfEventScope } from './perf-event-places.js';
import { samplingFields, type PerfSampling } from './perf-event-sampling.js';
import { perfEventKind, type PerfEventKind, type PerfEventSource } from './perf-event-source.js';
import { Program, type AttachmentWithoutLink, type AttachOptions } from './program.js';

/** Which events run the program, how many of them, and whose. */
export interface PerfEventAttachOptions extends AttachOptions, PerfEventScope, PerfSampling {
  /** What is counted: `'cpu-clock'`, `'cycles'`, `'cpu/event=0x3c/'`, `{ address, access: 'w' }`. */
  readonly event: PerfEventSource;
  /** Leaves out what happens in the kernel. */
  readonly excludeKernel?: boolean | undefined;
  /** Leaves out what happens in user space. */
  readonly excludeUser?: boolean | undefined;
  /** Leaves out what happens on idle CPUs, of events that can. */
  readonly excludeIdle?: boolean | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.15. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `perf_event`: it runs each time that so many events were counted, on the CPU and in the task that
 * they happened in: a timer (`cpu-clock`) makes it a profiler. Needs CAP_PERFMON. Least kernel: 4.9.
 *
 * @example
 * ```js
 * const profiler = ebpf.program('sample', PerfEvent);
 * const link = await profiler.attach({ event: 'cpu-clock', frequency: 99 });              // all CPUs
 * const faults = await profiler.attach({ event: 'page-faults', period: 1, pid: 1234 });   // one process
 * ```
 */
export class PerfEvent extends Program {
  /**
   * Attaches to an event: on all CPUs that are online, or those that are given, for all processes, a cgroup, a process or
   * a thread. Nothing is attached when one of them fails; CPUs and threads that go away meanwhile are left out. Without `pid` and
   * `thread` it is attached to CPUs that come online later, too, and again to those that were offline meanwhile.
   *
   * @throws {@link UsageError} for an event, CPU, process or number that cannot be; {@link UnsupportedError} when this
   * machine cannot count such events, as is usual of hardware events in virtual machines; {@link PermissionError};
   * {@link KernelError}.
   */
  override async attach(options?: PerfEventAttachOptions): Promise<PerfEventsLink> {
    // Also JavaScript calls it.
    if (options?.event === undefined) throw UsageError.invalidValue('event', missingEvent(this.name));
    const { signal, cgroup } = options;
    signal?.throwIfAborted();
    const program = this.handle;
    const kind = await perfEventKind(options.event);
    const places = perfEventPlaces(options, kind.cpus);
    const opening: Opening = {
      name: this.name,
      program,
      kind,
      options,
      fields: { ...kind.fields, ...samplingFields(options, kind) },
      target: `perf_event ${escapeControl(kind.words)}${whereWords(options)}`,
    };
    const directory = cgroup === undefined ? undefined : openCgroup(cgroup);
    let follower: CpuFollower | undefined;
    try {
      follower = followerOf(opening, directory);
      const events = await attachAll(opening, places, directory);
      const attachment: PerfEventsAttachment = {
        ...{ events, follower },
        withoutLink: { feature: 'a single link', explanation: 'there is one for each event' },
        detach: async () => detachAll(events),
        survivesProcess: false,
      };
      return await this.attached(PerfEventsLink, attachment, opening.target, signal);
    } catch (error) {
      await follower?.close();
      throw attachFailure(error, this.name, opening.target, ['CAP_PERFMON', 'CAP_BPF'], true);
    } finally {
      directory?.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return `section ${quote(this.section)} names no event; give attach({ event: 'cpu-clock', frequency: 99 })`;
  }
}

type PerfEventsAttachment = AttachmentWithoutLink & Pick<PerfEventsDetails, 'events' | 'follower'>;

interface Opening {
  readonly name: string;
  readonly program: Handle;
  readonly kind: PerfEventKind;
  readonly options: PerfEventAttachOptions;
  readonly fields: PerfEventKind['fields'];
  readonly target: string;
}

/**
 * For events of CPUs: those of threads stay with their threads, and where a PMU counts on a few CPUs for all, the kernel moves them.
 * It has a program and a cgroup of its own, which live as long as the link.
 */
function followerOf(opening: Opening, directory: Handle | undefined): CpuFollower | undefined {
  const { pid, thread, cpus } = opening.options;
  if (pid !== undefined || thread !== undefined || opening.kind.cpus !== undefined) return undefined;
  const kept = { ...opening, program: duplicateHandle(opening.program) };
  const cgroup = directory === undefined ? undefined : duplicateHandle(directory);
  return new CpuFollower({
    isWanted: (cpu) => cpus === undefined || cpus.includes(cpu),
    attach: async (cpu) => {
      try {
        return await attachOne(kept, { pid: -1, cpu }, cgroup);
      } catch (error) {
        if (isGone(error)) return undefined;
        throw attachFailure(error, opening.name, opening.target, ['CAP_PERFMON', 'CAP_BPF'], true);
      }
    },
    release: () => {
      kept.program.close();
      cgroup?.close();
    },
  });
}

async function attachAll(
  opening: Opening,
  places: readonly PerfEventPlace[],
  cgroup: Handle | undefined,
): Promise<PerfEventPart[]> {
  const parts: PerfEventPart[] = [];
  let gone: EbpfError | undefined;
  try {
    for (const place of places) {
      opening.options.signal?.throwIfAborted();
      try {
        parts.push(await attachOne(opening, place, cgroup));
      } catch (error) {
        // Threads end and CPUs go offline while the others are opened.
        if (!isGone(error)) throw error;
        gone = error;
      }
    }
    if (parts.length === 0) throw gone ?? UsageError.invalidValue('cpus', 'none of them is online');
  } catch (error) {
    await detachAll(parts);
    throw perfEventFailure(error, opening.kind, opening.options);
  }
  return parts;
}

async function attachOne(
  { program, fields, options, target }: Opening,
  { pid, cpu }: PerfEventPlace,
  cgroup: Handle | undefined,
): Promise<PerfEventPart> {
  const where = [...(pid === -1 ? [] : [`thread ${pid}`]), ...(cpu === -1 ? [] : [`CPU ${cpu}`])].join(', ');
  const name = where === '' ? target : `${target} (${where})`;
  const event = await openPerfEventAsync({
    fields,
    bits: bitsOf(options),
    pid: cgroup ?? pid,
    cpu,
    flags: closeOnExec,
    name,
  });
  return { handle: await attachToPerfEvent(program, event, options.cookie), cpu, target: name };
}

/** It counts from when the program is bound to it. */
function bitsOf(options: PerfEventAttachOptions): PerfEventBit[] {
  const { frequency, inherit, excludeKernel, excludeUser, excludeIdle } = options;
  const wanted: readonly (readonly [PerfEventBit, boolean | undefined])[] = [
    ['disabled', true],
    ['freq', frequency !== undefined],
    ['inherit', inherit],
    ['exclude_kernel', excludeKernel],
    ['exclude_user', excludeUser],
    ['exclude_idle', excludeIdle],
  ];
  return wanted.filter(([, on]) => on === true).map(([bit]) => bit);
}

async function detachAll(parts: readonly PerfEventPart[]): Promise<void> {
  await Promise.all(parts.map(async ({ handle }) => handle.closeAsync()));
}

function whereWords({ pid, thread, cgroup, cpus }: PerfEventScope): string {
  const whose =
    pid !== undefined ? ` of process ${pid}` : thread !== undefined ? ` of thread ${thread}` : cgroupWords(cgroup);
  return cpus === undefined ? whose : `${whose} on CPU ${cpus.join(', ')}`;
}

function cgroupWords(cgroup: CgroupSource | undefined): string {
  if (cgroup === undefined) return '';
  return ` of cgroup ${typeof cgroup === 'string' ? escapeControl(cgroup) : 'given open'}`;
}

function missingEvent(program: string): string {
  return `program ${quote(program)} needs one: attach({ event: 'cpu-clock', frequency: 99 })`;
}
