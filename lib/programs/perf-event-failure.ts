import { PerfType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';

import type { PerfEventScope } from './perf-event-places.js';
import type { PerfEventKind } from './perf-event-source.js';

const hardwareTypes: ReadonlySet<unknown> = new Set([PerfType.HARDWARE, PerfType.HW_CACHE, PerfType.RAW]);

/** Whether the thread or CPU of an event is there no more. */
export function isGone(error: unknown): error is EbpfError {
  return EbpfError.is(error) && (error.errnoName === 'ESRCH' || error.errnoName === 'ENODEV');
}

/** The answers of perf_event_open (kernel/events/core.c and what the PMUs say) in words; other errors stay as they are. */
export function perfEventFailure(error: unknown, kind: PerfEventKind, scope: PerfEventScope): unknown {
  if (!EbpfError.is(error) || error.errnoName === undefined) return error;
  const { words, fields } = kind;
  const isHardware = hardwareTypes.has(fields.type);
  const isBreakpoint = fields.type === PerfType.BREAKPOINT;
  const cause = { cause: error };
  // What a processor has not of the table of caches is EINVAL to some PMUs (set_ext_hw_attr of arch/x86/events/core.c).
  const isUnknown = error.errnoName === 'EINVAL' && fields.type === PerfType.HW_CACHE;
  switch (isUnknown ? 'ENOENT' : error.errnoName) {
    case 'ENOENT':
      if (scope.cgroup !== undefined && !isHardware) return UsageError.invalidValue('cgroup', noCgroup, cause);
      return new UnsupportedError(
        `perf event ${quote(words)}`,
        isHardware
          ? 'this processor does not count it; virtual machines often hide their counters. The events of software, such as ' +
              '"cpu-clock", are on every machine'
          : 'this kernel has no such event',
        cause,
      );
    // EOPNOTSUPP, as Node calls it.
    case 'ENOTSUP':
      return new UnsupportedError(
        `perf event ${quote(words)}`,
        isBreakpoint
          ? 'this machine has no breakpoints'
          : 'it can be counted here but not run a program: its counter cannot interrupt',
        cause,
      );
    case 'ENOSPC':
      return isBreakpoint
        ? UsageError.busy(words, 'all breakpoints of the processor are taken; a processor has about four')
        : error;
    case 'ESRCH':
      return UsageError.invalidValue(
        scope.pid === undefined ? 'thread' : 'pid',
        'there is no such process or thread',
        cause,
      );
    case 'ENODEV':
      return UsageError.invalidValue('cpus', 'none of them is online', cause);
    case 'EBADF':
      return scope.cgroup === undefined ? error : UsageError.invalidValue('cgroup', noCgroup, cause);
    case 'EINVAL':
      if (error.syscall !== 'perf_event_open') return error;
      return UsageError.invalidValue(
        'event',
        `the kernel refuses ${quote(words)} with these options: ${hint(kind)}`,
        cause,
      );
    default:
      return error;
  }
}

/**
 * Where the controller is bound to a hierarchy of version 1, it is that hierarchy's directories which count. And cgroup2
 * makes even what need not be enabled when the first other controller is (cgroup_apply_control of kernel/cgroup/cgroup.c).
 */
const noCgroup =
  'is not the directory of a cgroup that events can be counted of: one of the hierarchy with the controller perf_event, which is ' +
  'that of cgroup2 (usually /sys/fs/cgroup), unless `mount -t cgroup` shows another or no controller was ever enabled there';

function hint({ fields }: PerfEventKind): string {
  if (fields.type === PerfType.BREAKPOINT) {
    return 'the address must be a multiple of the length, and the processor be able to watch for that access';
  }
  return 'some events cannot run programs, some are not of a process or cgroup, some cannot leave anything out';
}
