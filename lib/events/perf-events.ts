import { PerfSampleFormat, PerfSoftwareEvent, PerfType } from '../abi/index.js';
import { EbpfError, KernelError, UsageError, quote } from '../errors/index.js';
import { explainPermission, onlineCpus, pageSize, possibleCpus } from '../kernel/index.js';
import {
  PerfBuffer,
  PerfEventRequest,
  mapDelete,
  mapUpdateHandle,
  openPerfEvent,
  perfEventIoctl,
  type Handle,
} from '../sys/index.js';

import { checkSnapshotSize, type PerfMemoryOptions } from './perf-options.js';

/** PERF_FORMAT_LOST of include/uapi/linux/perf_event.h, Linux 6.0: reading an event tells the records it lost. */
const FORMAT_LOST = 16;
/** CLOCK_MONOTONIC of include/uapi/linux/time.h: what bpf_ktime_get_ns() reads. */
const CLOCK_MONOTONIC = 1;

/**
 * The perf events into which programs write through a perf event array, one for each CPU that runs: opened, put into the
 * map's slots, and replaced as CPUs come and go.
 */
export class PerfEvents {
  readonly buffer: PerfBuffer;
  readonly #map: Handle;
  readonly #name: string;
  readonly #options: PerfMemoryOptions;
  readonly #wanted: ReadonlySet<number>;
  /** The events of memory that keeps the newest stay open, to be paused. */
  readonly #active = new Map<number, Handle | undefined>();
  #paused = false;
  #countsLost = true;

  /** `slots` is how many the map has: CPUs beyond have none. */
  constructor(map: Handle, name: string, slots: number, options: PerfMemoryOptions) {
    this.#map = map;
    this.#name = name;
    this.#options = options;
    const most = Math.min(possibleCpus(), slots);
    this.#wanted = new Set(options.cpus ?? Array.from({ length: most }, (_, cpu) => cpu));
    for (const cpu of this.#wanted) {
      if (cpu >= most) {
        const limit = slots < possibleCpus() ? `map ${quote(name)} has slots for` : 'this machine has at most';
        throw UsageError.invalidValue('cpus', `there is no CPU ${cpu}: ${limit} ${most}`);
      }
    }
    if (options.newest) checkSnapshotSize(options, this.#wanted.size);
    this.buffer = PerfBuffer.open(name, { times: options.byTime, newest: options.newest });
    try {
      this.refresh();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** How many CPUs there are at most. */
  get cpus(): number {
    return this.#wanted.size;
  }

  /** Opens events for CPUs that came, and lets go of those that went; what they had must have been drained. */
  refresh(): void {
    const online = new Set(onlineCpus());
    for (const cpu of this.#active.keys()) {
      const isOnline = online.has(cpu);
      const wentOffline = this.buffer.wentOffline(cpu);
      // What is the newest of a CPU that is offline can still be asked for.
      if (this.#options.newest ? isOnline && wentOffline : !isOnline || wentOffline) this.#remove(cpu);
    }
    for (const cpu of this.#wanted) if (online.has(cpu) && !this.#active.has(cpu)) this.#add(cpu);
  }

  /** Records that the kernel lost, where it counts them. */
  lost(): bigint | undefined {
    return this.#countsLost ? this.buffer.lost() : undefined;
  }

  /** Whether programs fail to write, on all CPUs (PERF_EVENT_IOC_PAUSE_OUTPUT, Linux 4.7). One that writes goes on. */
  get paused(): boolean {
    return this.#paused;
  }

  set paused(paused: boolean) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    for (const event of this.#active.values()) {
      if (event !== undefined) perfEventIoctl(event, PerfEventRequest.PAUSE_OUTPUT, Number(paused));
    }
  }

  /** Empties the map's slots: programs then fail to write. What they wrote before can still be drained. */
  stop(): void {
    if (!this.#map.closed) for (const cpu of this.#active.keys()) mapDelete(this.#map, slot(cpu));
  }

  /** Lets go of all events. */
  close(): void {
    this.stop();
    for (const event of this.#active.values()) event?.close();
    this.#active.clear();
    this.buffer.close();
  }

  #add(cpu: number): void {
    const event = this.#open(cpu);
    if (event === undefined) return;
    try {
      this.buffer.add(event, cpu, this.#options.bytesPerCpu / pageSize());
      if (this.#paused) perfEventIoctl(event, PerfEventRequest.PAUSE_OUTPUT, 1);
      const result = mapUpdateHandle(this.#map, slot(cpu), event, 0);
      if (result < 0) {
        this.buffer.remove(cpu);
        throw new KernelError(
          `put the event of CPU ${cpu} into ${this.#map.describe()}`,
          'bpf(BPF_MAP_UPDATE_ELEM)',
          result,
        );
      }
      const { newest } = this.#options;
      this.#active.set(cpu, newest ? event : undefined);
      // The map and the buffer have it.
      if (!newest) event.close();
    } catch (error) {
      event.close();
      throw this.#failure(error, cpu);
    }
  }

  #remove(cpu: number): void {
    this.#active.get(cpu)?.close();
    this.#active.delete(cpu);
    mapDelete(this.#map, slot(cpu));
    this.buffer.remove(cpu);
  }

  /** Undefined when the CPU has gone offline meanwhile. */
  #open(cpu: number): Handle | undefined {
    const { watermark, byTime, newest } = this.#options;
    // Nobody waits for what is only kept.
    const each = newest ? 0 : 1;
    const wakeup = watermark === undefined ? { wakeup_events: each } : { wakeup_watermark: watermark };
    const options = {
      fields: {
        type: PerfType.SOFTWARE,
        config: PerfSoftwareEvent.BPF_OUTPUT,
        sample_type: PerfSampleFormat.RAW | (byTime ? PerfSampleFormat.TIME : 0),
        sample_period: 1,
        ...(this.#countsLost ? { read_format: FORMAT_LOST } : {}),
        ...(byTime ? { clockid: CLOCK_MONOTONIC } : {}),
        ...wakeup,
      },
      bits: [
        ...(watermark === undefined ? [] : (['watermark'] as const)),
        ...(byTime ? (['use_clockid'] as const) : []),
        ...(newest ? (['write_backward'] as const) : []),
      ],
      pid: -1,
      cpu,
      name: `the event of CPU ${cpu} for map ${quote(this.#name)}`,
    };
    try {
      return openPerfEvent(options);
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'ENODEV') return undefined;
      if (EbpfError.is(error) && error.errnoName === 'EINVAL' && this.#countsLost) {
        this.#countsLost = false;
        return this.#open(cpu);
      }
      throw this.#failure(error, cpu);
    }
  }

  #failure(error: unknown, cpu: number): unknown {
    if (!EbpfError.is(error) || (error.errnoName !== 'EPERM' && error.errnoName !== 'EACCES')) return error;
    if (error.code === 'ERR_EBPF_PERMISSION') return error;
    const what = `open the perf event of CPU ${cpu} for map ${quote(this.#name)}`;
    return explainPermission(error, { what, capabilities: ['CAP_PERFMON'], perf: true });
  }
}

function slot(cpu: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(cpu).buffer);
}
