import { MapType } from '../abi/index.js';
import { Btf, BtfKind } from '../btf/index.js';
import { quote } from '../errors/index.js';
import { isPinnedMap, objectInfo, readBtf, type MapInfo } from '../sys/index.js';

import { tryWithObject } from './open-object.js';

/**
 * Warns of maps that a program which was pinned, or whose link was, uses and that lose what they hold with the last
 * descriptor and pin: program arrays are emptied, timers stopped (`map_release_uref` of kernel/bpf/syscall.c). `what` is such
 * as `the link of program "f"`. Says nothing where this process may not look: ids need CAP_SYS_ADMIN.
 */
export function warnOfShortLivedMaps(what: string, mapIds: readonly number[]): void {
  const lost = mapIds.flatMap((id) => (isPinnedMap(id) ? [] : (whatIsLost(id) ?? [])));
  if (lost.length === 0) return;
  const one = lost.length === 1;
  process.emitWarning(
    `${what} is pinned, but not ${lost.join(' and ')}: ${one ? 'that is' : 'those are'} lost when the last process that has ` +
      `the ${one ? 'map' : 'maps'} open ends; pin the ${one ? 'map' : 'maps'} too`,
    { type: 'EbpfWarning', code: 'EBPF_PIN' },
  );
}

/** As {@link warnOfShortLivedMaps}, of a program by its id. */
export function warnOfShortLivedMapsOf(what: string, programId: number): void {
  const info =
    programId === 0 ? undefined : tryWithObject('program', programId, (program) => objectInfo(program, 'program'));
  if (info !== undefined) warnOfShortLivedMaps(what, info.mapIds);
}

function whatIsLost(id: number): string | undefined {
  const map = tryWithObject('map', id, (handle) => objectInfo(handle, 'map'));
  if (map === undefined) return undefined;
  if (map.type === MapType.PROG_ARRAY) return `what program array ${quote(map.name)} holds`;
  return hasTimers(map) ? `the timers of map ${quote(map.name)}` : undefined;
}

/** What the kernel stops and frees (`BPF_TIMER | BPF_WORKQUEUE | BPF_TASK_WORK` of kernel/bpf). */
const timers: ReadonlySet<string> = new Set(['bpf_timer', 'bpf_wq', 'bpf_task_work']);

function hasTimers({ btfId, btfValueTypeId }: MapInfo): boolean {
  if (btfId === 0 || btfValueTypeId === 0) return false;
  const found = tryWithObject('btf', btfId, (handle) => {
    const btf = Btf.parse(readBtf(handle), { name: `BTF ${btfId}` });
    return [...timers].some((name) => btf.find(name, BtfKind.STRUCT) !== undefined) && holdsTimer(btf, btfValueTypeId);
  });
  return found === true;
}

/** Timers lie in the value itself or in structs within it, never behind a pointer; types cannot contain themselves. */
function holdsTimer(btf: Btf, id: number): boolean {
  const type = btf.type(btf.skipModifiers(id));
  if (type.kind === BtfKind.ARRAY) return holdsTimer(btf, type.elementType);
  if (type.kind !== BtfKind.STRUCT && type.kind !== BtfKind.UNION) return false;
  return timers.has(type.name) || type.members.some((member) => holdsTimer(btf, member.type));
}
