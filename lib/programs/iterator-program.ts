import { inspect } from 'node:util';

import { CgroupIterOrder } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, escapeControl, quote } from '../errors/index.js';
import { cgroupFailure, kernelKnows, openCgroup, type CgroupSource } from '../kernel/index.js';
import { IteratorLink, type IteratorDetails } from '../links/index.js';
import {
  adoptDescriptor,
  createIteratorLink,
  descriptorNumber,
  requireHandle,
  type DescriptorSource,
  type Handle,
  type HeldObject,
  type IteratorTarget,
} from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

/** Which cgroups, from one on, an iterator of `iter/cgroup` goes over, and in which order. */
export type CgroupOrder = 'self-only' | 'descendants-pre' | 'descendants-post' | 'ancestors-up' | 'children';

/** What {@link IteratorProgram.attach} makes an iterator go over: everything of its kind, unless one of these is given. */
export interface IteratorAttachOptions extends AttachOptions {
  /** Of `iter/bpf_map_elem`, `iter/sockmap` and `iter/bpf_sk_storage_map`, which need one: the map. */
  readonly map?: HeldObject | undefined;
  /** Of `iter/cgroup`: where it begins, the root of all by default. Least kernel: 6.1. */
  readonly cgroup?: CgroupSource | undefined;
  /** Of `iter/cgroup`. Default: `'descendants-pre'`, each cgroup before those below it. `'children'`: Linux 7.1. */
  readonly order?: CgroupOrder | undefined;
  /** Of `iter/task`, `iter/task_file` and `iter/task_vma`: a process, with all its threads. Least kernel: 6.1. */
  readonly pid?: number | undefined;
  /** Of the same: one thread. */
  readonly thread?: number | undefined;
  /** Of the same: a process by its pidfd. */
  readonly pidfd?: DescriptorSource | undefined;
}

const orders: Readonly<Record<CgroupOrder, CgroupIterOrder>> = {
  'self-only': CgroupIterOrder.SELF_ONLY,
  'descendants-pre': CgroupIterOrder.DESCENDANTS_PRE,
  'descendants-post': CgroupIterOrder.DESCENDANTS_POST,
  'ancestors-up': CgroupIterOrder.ANCESTORS_UP,
  children: CgroupIterOrder.CHILDREN,
};

/** The options that say where, by what a section goes over. To the kernel they are one union: the wrong one is not noticed. */
const optionsOf: Readonly<Record<string, readonly (keyof IteratorAttachOptions)[]>> = {
  bpf_map_elem: ['map'],
  sockmap: ['map'],
  bpf_sk_storage_map: ['map'],
  cgroup: ['cgroup', 'order'],
  task: ['pid', 'thread', 'pidfd'],
  task_file: ['pid', 'thread', 'pidfd'],
  task_vma: ['pid', 'thread', 'pidfd'],
};

const placeOptions = ['map', 'cgroup', 'order', 'pid', 'thread', 'pidfd'] as const;

/**
 * A program of section `iter/<kind>`, such as `iter/task`, `iter/tcp` or `iter/bpf_map_elem`: it runs for each thing of that kind
 * that the kernel has, and writes about it with `bpf_seq_printf` or `bpf_seq_write`, which {@link IteratorLink} reads. Least
 * kernel: 5.8.
 *
 * @example
 * ```js
 * const sockets = await ebpf.program('dump_tcp', IteratorProgram).attach();
 * for await (const line of sockets.lines()) console.log(line);
 * const own = await ebpf.program('dump_task', IteratorProgram).attach({ pid: process.pid });
 * ```
 */
export class IteratorProgram extends Program {
  /**
   * Makes the iterator; nothing runs until it is read.
   *
   * @throws {@link UsageError} for a map, cgroup or process that cannot be, or one that this kind of iterator does not take;
   * {@link UnsupportedError} for a place of iteration before Linux 6.1; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: IteratorAttachOptions = {}): Promise<IteratorLink> {
    const { signal } = options;
    signal?.throwIfAborted();
    const kind = this.attachTo ?? '';
    requireOptions(kind, options, this.name);
    const program = this.handle;
    const target = `iter ${escapeControl(kind)}${placeWords(options)}`;
    const { place, opened } = openPlace(kind, options);
    try {
      if (place !== undefined && options.map === undefined) await requirePlaces(kind);
      const handle = await createIteratorLink(program, place);
      const link: IteratorHandle = { handle, recordCodec: this.recordCodec };
      return await this.attached(IteratorLink, link, target, signal);
    } catch (error) {
      throw attachFailure(placeFailure(error, options), this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    } finally {
      opened?.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    if (this.attachTo === undefined) return `its section ${quote(this.section)} does not say what to go over`;
    return needsMap(this.attachTo)
      ? `its section ${quote(this.section)} names no map; give attach({ map })`
      : undefined;
  }
}

type IteratorHandle = Pick<IteratorDetails, 'recordCodec'> & { readonly handle: Handle };

function needsMap(kind: string): boolean {
  return optionsOf[kind]?.includes('map') === true;
}

function requireOptions(kind: string, options: IteratorAttachOptions, program: string): void {
  // Of a program that was opened before Linux 5.18 only the kernel knows what it goes over.
  if (kind === '') return;
  const taken = Object.hasOwn(optionsOf, kind) ? (optionsOf[kind] ?? []) : [];
  const given = placeOptions.filter((name) => options[name] !== undefined);
  const foreign = given.find((name) => !taken.includes(name));
  if (foreign !== undefined) {
    const takes =
      taken.length === 0 ? 'it goes over everything' : `it takes ${taken.map((name) => quote(name)).join(', ')}`;
    throw UsageError.invalidValue(foreign, `is not of an iterator over ${quote(kind)}: ${takes}`);
  }
  if (needsMap(kind) && options.map === undefined) {
    throw UsageError.invalidValue('map', `program ${quote(program)} goes over the entries of one: attach({ map })`);
  }
  const [first, second] = given.filter((name) => name !== 'order');
  if (second !== undefined) throw UsageError.invalidValue(second, `is given beside ${first ?? ''}; give one of them`);
}

/** What the link is made with, and what is to be closed then. */
interface Place {
  readonly place: IteratorTarget | undefined;
  readonly opened?: Handle | undefined;
}

function openPlace(kind: string, { map, cgroup, order, pid, thread, pidfd }: IteratorAttachOptions): Place {
  if (map !== undefined) return { place: { handles: { 'map.map_fd': requireHandle('map', map, 'map') } } };
  if (kind === 'cgroup' || cgroup !== undefined) {
    const fields = { 'cgroup.order': orderNumber(order ?? 'descendants-pre') };
    if (cgroup === undefined) return { place: { fields } };
    const opened = openCgroup(cgroup);
    return { place: { fields, handles: { 'cgroup.cgroup_fd': opened } }, opened };
  }
  if (pid !== undefined) return { place: { fields: { 'task.pid': wholeId('pid', pid) } } };
  if (thread !== undefined) return { place: { fields: { 'task.tid': wholeId('thread', thread) } } };
  if (pidfd === undefined) return { place: undefined };
  const opened = adoptDescriptor(descriptorNumber(pidfd, 'pidfd'), 'process of a pidfd');
  return { place: { handles: { 'task.pid_fd': opened } }, opened };
}

function orderNumber(order: unknown): CgroupIterOrder {
  if (typeof order === 'string' && Object.hasOwn(orders, order)) return orders[order as CgroupOrder];
  const known = Object.keys(orders).map((name) => quote(name));
  throw UsageError.invalidValue('order', `must be one of ${known.join(', ')}, not ${inspect(order)}`);
}

function wholeId(path: string, id: unknown): number {
  if (Number.isInteger(id) && Number(id) > 0 && Number(id) <= 0x7fff_ffff) return Number(id);
  throw UsageError.invalidValue(
    path,
    `must be the number of a ${path === 'pid' ? 'process' : 'thread'}, not ${inspect(id)}`,
  );
}

/** EBADF of a call that was given a cgroup or a process: the kernel found something else. */
function placeFailure(error: unknown, { cgroup, pidfd }: IteratorAttachOptions): unknown {
  if (cgroup !== undefined) return cgroupFailure(error, cgroup);
  if (pidfd === undefined || !EbpfError.is(error) || error.errnoName !== 'EBADF') return error;
  return UsageError.invalidValue('pidfd', 'it is open, but no pidfd of a process', { cause: error });
}

/** Older kernels go over all tasks whatever they are given: both came with Linux 6.1. */
async function requirePlaces(kind: string): Promise<void> {
  if ((await kernelKnows('bpf_cgroup_iter_order', 'BPF_CGROUP_ITER_SELF_ONLY')) === true) return;
  throw new UnsupportedError('iterators over some things only', `this kernel goes over every ${quote(kind)}`, {
    since: '6.1',
  });
}

function placeWords({ map, cgroup, pid, thread, pidfd }: IteratorAttachOptions): string {
  if (map !== undefined) return ` of map ${escapeControl(quote(map.name))}`;
  if (cgroup !== undefined)
    return ` from ${typeof cgroup === 'string' ? escapeControl(cgroup) : 'a cgroup given open'} on`;
  if (pid !== undefined) return ` of process ${pid}`;
  if (thread !== undefined) return ` of thread ${thread}`;
  return pidfd === undefined ? '' : ' of a process given by its pidfd';
}
