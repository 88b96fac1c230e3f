import { readdirSync } from 'node:fs';
import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import { onlineCpus, possibleCpus, type CgroupSource } from '../kernel/index.js';

/** Whose events are counted; of all processes without `pid`, `thread` and `cgroup`, of which there can be one. */
export interface PerfEventScope {
  /** Those of a process: of the threads that it has now, and with `inherit` of those that they make. */
  readonly pid?: number | undefined;
  /** Those of one thread. */
  readonly thread?: number | undefined;
  /** Also those of threads and processes that are made by the ones of `pid` or `thread` from now on. */
  readonly inherit?: boolean | undefined;
  /** Those of the processes of a cgroup and of those below it: its directory, by path or open. */
  readonly cgroup?: CgroupSource | undefined;
  /** The CPUs on which they are counted. Default: all, as they come online. */
  readonly cpus?: readonly number[] | undefined;
}

/** Arguments of perf_event_open: -1 stands for all. */
export interface PerfEventPlace {
  readonly pid: number;
  readonly cpu: number;
}

/** Where events must be opened; `counting` are the CPUs on which a PMU counts for all. */
export function perfEventPlaces(scope: PerfEventScope, counting: readonly number[] | undefined): PerfEventPlace[] {
  const { pid, thread, inherit, cgroup, cpus } = scope;
  const given = { pid, thread, cgroup };
  const [first, second] = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (second !== undefined) throw UsageError.invalidValue(second, `is given beside ${first ?? ''}; give one of them`);
  if (inherit === true && pid === undefined && thread === undefined) {
    throw UsageError.invalidValue('inherit', 'is of a pid or thread: all processes and cgroups have new ones anyway');
  }
  const threads = pid !== undefined ? threadsOf(pid) : thread !== undefined ? [wholeId('thread', thread)] : undefined;
  if (threads === undefined) return (cpuNumbers(cpus) ?? defaultCpus(counting)).map((cpu) => ({ pid: -1, cpu }));
  const places = cpuNumbers(cpus) ?? counting ?? [-1];
  return threads.flatMap((each) => places.map((cpu) => ({ pid: each, cpu })));
}

function defaultCpus(counting: readonly number[] | undefined): readonly number[] {
  const online = onlineCpus();
  return counting === undefined ? online : online.filter((cpu) => counting.includes(cpu));
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${wholeId('pid', pid)}/task`).map(Number);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw UsageError.invalidValue('pid', `there is no process ${pid}`, { cause });
  }
}

function wholeId(path: string, id: unknown): number {
  if (Number.isInteger(id) && Number(id) > 0 && Number(id) <= 0x7fff_ffff) return Number(id);
  throw UsageError.invalidValue(
    path,
    `must be the number of a ${path === 'pid' ? 'process' : 'thread'}, not ${inspect(id)}`,
  );
}

function cpuNumbers(cpus: readonly number[] | undefined): readonly number[] | undefined {
  if (cpus === undefined) return undefined;
  const most = possibleCpus();
  const fits = (cpu: unknown): boolean => Number.isInteger(cpu) && Number(cpu) >= 0 && Number(cpu) < most;
  if (Array.isArray(cpus) && cpus.length > 0 && cpus.every(fits)) return [...new Set<number>(cpus)];
  throw UsageError.invalidValue('cpus', `must be an array of numbers of CPUs below ${most}, not ${inspect(cpus)}`);
}
