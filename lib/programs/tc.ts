import { inspect } from 'node:util';

import { AttachType, LinkType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { explainPermission, features, supposed, withInterface, type InterfaceTarget } from '../kernel/index.js';
import { TcFilterLink, TcxLink } from '../links/index.js';
import {
  createLink,
  listTcFilters,
  queryPrograms,
  removeTcFilter,
  type AttachedPrograms,
  type AttachedTcFilter,
  type Handle,
  type TcDirection,
} from '../sys/index.js';

import { attachFailure, revisionFailure } from './attach-failure.js';
import { byPriority, orderFields, type AttachOrder, type OrderFields } from './attach-order.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import { Program, type AttachOptions } from './program.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { attachTcFilter, requireDirection, requireUnsigned } from './tc-filter.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where and how {@link Tc.attach} attaches. */
export interface TcAttachOptions extends AttachOptions, InterfaceOptions {
  /** What comes in or what goes out; without it the section says: `tc/ingress`. */
  readonly direction?: TcDirection | undefined;
  /** TCX: before or after which others it runs. Default: `'last'`. */
  readonly order?: AttachOrder | undefined;
  /** TCX: attach only when nothing has changed since {@link Tc.query} said this revision. */
  readonly expectedRevision?: number | bigint | undefined;
  /** How: by TCX, from Linux 6.6 on, or as a filter of `clsact`. Default: TCX where the kernel has it. */
  readonly by?: 'tcx' | 'clsact' | undefined;
  /** clsact, or with `among`: 1 to 65535, lower ones run first. Default: the kernel's choice. */
  readonly priority?: number | undefined;
  /**
   * Runs it by `priority` among links of TCX whose priorities you know, by their ids, since the kernel keeps an order, but no
   * priorities: before the first of them with a higher one, else behind the last of them; where there is none of them, last. All
   * others keep their places. The new link joins the map; attaches with the same map take turns. Ids that are not attached there do
   * no harm, so that one map does for all interfaces. Without TCX it is a filter of that priority, and others have theirs.
   */
  readonly among?: Map<number, number> | undefined;
  /** clsact: the filter's number among those of its priority. Default: the kernel's choice. */
  readonly handle?: number | undefined;
  /** clsact: the class of traffic control for its packets, as 0x10_0002 for `10:2`; it stays when the program is replaced. */
  readonly classId?: number | undefined;
  /**
   * clsact: closing the link, or its {@link Ebpf}, leaves the filter attached, for a later process: {@link Tc.removeFilter} takes it
   * off. By TCX that is what pinning the link is for. Default: false.
   */
  readonly keep?: boolean | undefined;
  /**
   * Pins the link there, as {@link Link.pin} does. A filter stays when its process is killed: this way nothing ever does that the
   * pin does not name. Default: not pinned.
   */
  readonly pin?: string | undefined;
}

/** Which filter {@link Tc.removeFilter} takes off. */
export interface TcFilterPlace extends InterfaceOptions {
  readonly direction: TcDirection;
  /** As {@link Tc.query} and {@link TcFilterLink.priority} say it. */
  readonly priority: number;
  /** As {@link Tc.query} and {@link TcFilterLink.filterHandle} say it. */
  readonly handle: number;
}

/** What runs at one side of an interface. */
export interface AttachedTc extends AttachedPrograms {
  /** The filters of `clsact`, which run after the programs of TCX, also those of other classifiers than BPF. */
  readonly filters: readonly AttachedTcFilter[];
}

const attachTypes: Readonly<Record<TcDirection, AttachType>> = {
  ingress: AttachType.TCX_INGRESS,
  egress: AttachType.TCX_EGRESS,
};

/**
 * A program of section `tc/ingress`, `tc/egress`, `tcx/ingress`, `tcx/egress`, `tc` or `classifier`: it sees the packets that
 * come in at a network interface, after XDP, or go out of it, and passes, drops, changes or redirects them. Needs
 * CAP_NET_ADMIN. Least kernel: 4.5; as a link 6.6.
 *
 * @example
 * ```js
 * const link = await ebpf.program('count', Tc).attach({ interface: 'veth0', direction: 'egress' });
 * ```
 */
export class Tc extends Program {
  /**
   * Attaches to one side of a network interface, beside programs that are attached there already. By TCX it is a kernel link;
   * before Linux 6.6, or with `by: 'clsact'`, a filter, for which the queueing discipline `clsact` is made and stays.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names, or options exclude each other;
   * `ERR_EBPF_BUSY` when the revision is another one; {@link UnsupportedError} for what only TCX can on a kernel without it; {@link PermissionError}; {@link KernelError}, such as
   * ENOENT when what `order` names is not attached there, EEXIST when the filter's handle is taken.
   */
  override async attach(options?: TcAttachOptions): Promise<TcxLink | TcFilterLink> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const direction = this.#direction(options?.direction);
    const target = interfaceTarget(`tc ${direction}`, options);
    const tcx = await chooseTcx(options ?? {});
    try {
      return await withInterface(target.interface, target.netns, async (found) =>
        tcx
          ? this.#link(found, direction, options ?? {}, target.words)
          : attachTcFilter(this, found, { ...options, direction, words: target.words }, async (made) =>
              this.attached(TcFilterLink, made, target.words, signal),
            ),
      );
    } catch (error) {
      const reason = revisionFailure(error, target.words, 'Tc.query()');
      throw attachFailure(reason, this.name, target.words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * What is attached to one side of an interface, by whomever: the programs that TCX runs, in their order, with a revision that
   * counts changes; then the filters of `clsact`. Before Linux 6.6, which has no TCX, there are filters only.
   *
   * @throws {@link UsageError} when there is no such interface; {@link PermissionError}; {@link KernelError}.
   *
   * @example
   * ```js
   * const { programs, filters } = await Tc.query({ interface: 'eth0', direction: 'ingress' });
   * ```
   */
  static async query(options: InterfaceOptions & { readonly direction: TcDirection }): Promise<AttachedTc> {
    const { direction } = options;
    requireDirection(direction);
    const target = interfaceTarget(`tc ${direction}`, options);
    const { supported } = await supposed(features.linkType(LinkType.TCX));
    return withInterface(target.interface, target.netns, async ({ index, networkNamespace }) => {
      const none = { programs: [], revision: 0n };
      const { programs, revision } = supported
        ? await queryPrograms({ target: index, attachType: attachTypes[direction], networkNamespace })
        : none;
      return { programs, revision, filters: await listTcFilters(index, direction, networkNamespace) };
    });
  }

  /**
   * As {@link Program.testRun}, with members of `struct __sk_buff` as the context, both ways.
   *
   * @example
   * ```js
   * const { context } = await program.testRun({ data: packet, context: { mark: 7 } });
   * console.log(context.mark);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<SkBuffContext>> = {},
  ): Promise<TestRunResult<SkBuffContext>> {
    return runTest<SkBuffContext>(this.handle, this.type, options);
  }

  /**
   * Takes a filter of `clsact` off, by whatever process it was attached: one of a BPF program for all protocols, as
   * {@link Tc.attach} makes them.
   *
   * @throws {@link UsageError} when there is no such interface; {@link PermissionError}; {@link KernelError} ENOENT when there is
   * no such filter.
   *
   * @example
   * ```js
   * const place = { interface: 'eth0', direction: 'ingress' };
   * const { filters } = await Tc.query(place);
   * for (const { programId, priority, handle } of filters) {
   *   if (programId === mine) await Tc.removeFilter({ ...place, priority, handle });
   * }
   * ```
   */
  static async removeFilter(options: TcFilterPlace): Promise<void> {
    const { direction } = options;
    requireDirection(direction);
    const target = interfaceTarget(`tc ${direction}`, options);
    const priority = requireUnsigned('priority', options.priority, 0xffff, 1);
    const handle = requireUnsigned('handle', options.handle, 0xffff_ffff, 1);
    await withInterface(target.interface, target.netns, async ({ index, networkNamespace }) =>
      removeTcFilter({ interfaceIndex: index, direction, priority, handle }, networkNamespace),
    ).catch((error: unknown) => {
      if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
      throw explainPermission(error, { what: `remove a filter of ${target.words}`, capabilities: ['CAP_NET_ADMIN'] });
    });
  }

  protected override sectionObstacle(): string | undefined {
    return `section ${quote(this.section)} names no interface; give attach({ interface: 'name' })`;
  }

  async #link(
    { index: target, networkNamespace }: InterfaceTarget,
    direction: TcDirection,
    { signal, order, expectedRevision, priority, among, pin }: Partial<TcAttachOptions>,
    words: string,
  ): Promise<TcxLink> {
    const attachType = attachTypes[direction];
    const create = async (fields: OrderFields): Promise<Handle> =>
      createLink({ program: this.handle, target, attachType, ...fields, networkNamespace });
    const handle =
      among === undefined || priority === undefined
        ? await create(orderFields('tcx', order, expectedRevision))
        : await byPriority(
            priority,
            among,
            async () => queryPrograms({ target, attachType, networkNamespace }),
            async (place, revision) => create(orderFields('tcx', place, revision)),
          );
    const link = await this.attached(TcxLink, handle, words, signal);
    try {
      if (pin !== undefined) link.pin(pin);
      return link;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  #direction(given: TcDirection | undefined): TcDirection {
    if (given !== undefined) return requireDirection(given);
    if (this.attachType === AttachType.TCX_INGRESS) return 'ingress';
    if (this.attachType === AttachType.TCX_EGRESS) return 'egress';
    throw UsageError.invalidValue(
      'direction',
      `section ${quote(this.section)} of program ${quote(this.name)} does not say; give 'ingress' or 'egress'`,
    );
  }
}

const ways: readonly unknown[] = [undefined, 'tcx', 'clsact'];

/** Whether to attach by TCX. Throws for options that are of the other way. */
async function chooseTcx({
  by,
  order,
  expectedRevision,
  priority,
  among,
  handle,
  classId,
  keep,
}: Partial<TcAttachOptions>): Promise<boolean> {
  const wantsTcx = order !== undefined || expectedRevision !== undefined;
  const wantsFilter =
    (priority !== undefined && among === undefined) || handle !== undefined || classId !== undefined || keep === true;
  if (!ways.includes(by)) {
    throw UsageError.invalidValue('by', `must be 'tcx' or 'clsact', not ${inspect(by)}`);
  }
  if (wantsFilter && (wantsTcx || by === 'tcx')) {
    const problem = 'priority, handle, classId and keep are of filters (clsact), which TCX does not have';
    throw UsageError.invalidValue('priority', problem);
  }
  if (wantsTcx && by === 'clsact') {
    throw UsageError.invalidValue('order', 'order and expectedRevision are of TCX, which filters (clsact) do not have');
  }
  if (among !== undefined) {
    requireUnsigned('priority', priority ?? 0, 0xffff, 1);
    if (wantsTcx) throw UsageError.invalidValue('among', 'goes with a priority, not with order and expectedRevision');
  }
  if (by === 'clsact' || wantsFilter) return false;
  if (wantsTcx || by === 'tcx') await requireTcx('what was asked for');
  return (await supposed(features.linkType(LinkType.TCX))).supported;
}

async function requireTcx(what: string): Promise<void> {
  const { supported, reason } = await supposed(features.linkType(LinkType.TCX));
  if (supported) return;
  throw new UnsupportedError('TCX', `${what} needs it: ${reason}`, { since: '6.6' });
}
