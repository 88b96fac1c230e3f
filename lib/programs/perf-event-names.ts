import { PerfHardwareEvent, PerfSoftwareEvent, PerfType } from '../abi/index.js';

/** What tells the kernel which event is counted: fields of `struct perf_event_attr`. */
export interface PerfEventNumbers {
  /** A value of `enum perf_type_id`, or the number of a PMU: `/sys/bus/event_source/devices/<name>/type`. */
  readonly type: number;
  readonly config: number | bigint;
  readonly config1?: number | bigint | undefined;
  readonly config2?: number | bigint | undefined;
  /** Least kernel: 6.3. */
  readonly config3?: number | bigint | undefined;
}

type NamedEvent = Required<Pick<PerfEventNumbers, 'type' | 'config'>>;

const { SOFTWARE, HARDWARE, HW_CACHE } = PerfType;

function software(config: PerfSoftwareEvent): NamedEvent {
  return { type: SOFTWARE, config };
}

function hardware(config: PerfHardwareEvent): NamedEvent {
  return { type: HARDWARE, config };
}

/** The events without numbers of a processor, by the names that `perf list` has for them. */
const plain: readonly (readonly [names: string, numbers: NamedEvent])[] = [
  ['cpu-clock', software(PerfSoftwareEvent.CPU_CLOCK)],
  ['task-clock', software(PerfSoftwareEvent.TASK_CLOCK)],
  ['page-faults faults', software(PerfSoftwareEvent.PAGE_FAULTS)],
  ['minor-faults', software(PerfSoftwareEvent.PAGE_FAULTS_MIN)],
  ['major-faults', software(PerfSoftwareEvent.PAGE_FAULTS_MAJ)],
  ['context-switches cs', software(PerfSoftwareEvent.CONTEXT_SWITCHES)],
  ['cgroup-switches', software(PerfSoftwareEvent.CGROUP_SWITCHES)],
  ['cpu-migrations migrations', software(PerfSoftwareEvent.CPU_MIGRATIONS)],
  ['alignment-faults', software(PerfSoftwareEvent.ALIGNMENT_FAULTS)],
  ['emulation-faults', software(PerfSoftwareEvent.EMULATION_FAULTS)],
  ['dummy', software(PerfSoftwareEvent.DUMMY)],
  ['bpf-output', software(PerfSoftwareEvent.BPF_OUTPUT)],
  ['cpu-cycles cycles', hardware(PerfHardwareEvent.CPU_CYCLES)],
  ['instructions', hardware(PerfHardwareEvent.INSTRUCTIONS)],
  ['cache-references', hardware(PerfHardwareEvent.CACHE_REFERENCES)],
  ['cache-misses', hardware(PerfHardwareEvent.CACHE_MISSES)],
  ['branch-instructions branches', hardware(PerfHardwareEvent.BRANCH_INSTRUCTIONS)],
  ['branch-misses', hardware(PerfHardwareEvent.BRANCH_MISSES)],
  ['bus-cycles', hardware(PerfHardwareEvent.BUS_CYCLES)],
  ['stalled-cycles-frontend idle-cycles-frontend', hardware(PerfHardwareEvent.STALLED_CYCLES_FRONTEND)],
  ['stalled-cycles-backend idle-cycles-backend', hardware(PerfHardwareEvent.STALLED_CYCLES_BACKEND)],
  ['ref-cycles', hardware(PerfHardwareEvent.REF_CPU_CYCLES)],
];

/** `enum perf_hw_cache_id`, `…_op_id` and `…_op_result_id` of include/uapi/linux/perf_event.h, in their order. */
const caches = ['L1-dcache', 'L1-icache', 'LLC', 'dTLB', 'iTLB', 'branch', 'node'];
const operations = ['load', 'store', 'prefetch'];

function cacheEvents(): (readonly [string, NamedEvent])[] {
  return caches.flatMap((cache, id) =>
    operations.flatMap((operation, number) => {
      const config = id | (number << 8);
      const all = `${cache}-${operation}${operation.endsWith('h') ? 'es' : 's'}`;
      return [
        [all, { type: HW_CACHE, config }] as const,
        [`${cache}-${operation}-misses`, { type: HW_CACHE, config: config | (1 << 16) }] as const,
      ];
    }),
  );
}

let byName: ReadonlyMap<string, NamedEvent> | undefined;

/** The events that every kernel knows, by `perf`'s names for them: `cpu-clock`, `cycles`, `L1-dcache-load-misses`. */
export function namedPerfEvents(): ReadonlyMap<string, NamedEvent> {
  byName ??= new Map([
    ...plain.flatMap(([names, numbers]) => names.split(' ').map((name) => [name, numbers] as const)),
    ...cacheEvents(),
  ]);
  return byName;
}
