import { inspect } from 'node:util';

import type { AttachType } from '../abi/index.js';
import { EbpfError, escapeControl, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { cgroupFailure, openCgroup, type CgroupSource } from '../kernel/index.js';
import { CgroupLink } from '../links/index.js';
import { createLink, queryEffective, queryPrograms, type AttachedPrograms, type Handle } from '../sys/index.js';

import { attachFailure, revisionFailure } from './attach-failure.js';
import { orderFields, type AttachOrder } from './attach-order.js';
import { attachAlone, modeFlags, modeOf, type CgroupMode } from './cgroup-mode.js';
import { Program, type AttachmentWithoutLink, type AttachOptions } from './program.js';

/** Where and how {@link CgroupProgram.attach} attaches. */
export interface CgroupAttachOptions extends AttachOptions {
  /** The path of the cgroup's directory in a cgroup2 file system, or that directory, open. */
  readonly cgroup: CgroupSource;
  /** Beside others, or alone. Default: `'multi'`. */
  readonly mode?: CgroupMode | undefined;
  /** Before or after which other links of this cgroup it runs. Default: `'last'`. Least kernel: 6.17. */
  readonly order?: AttachOrder | undefined;
  /**
   * It runs before the programs of cgroups below it, as those that are attached so above it run before it; without this what is
   * below runs first. Least kernel: 6.17.
   */
  readonly preorder?: boolean | undefined;
  /** Attach only when nothing has changed since {@link CgroupProgram.query} said this revision. Least kernel: 6.17. */
  readonly expectedRevision?: number | bigint | undefined;
}

/** What {@link CgroupProgram.query} asks for. */
export interface CgroupQueryOptions {
  /** The path of the cgroup's directory in a cgroup2 file system, or that directory, open. */
  readonly cgroup: CgroupSource;
  /** Programs for what: {@link Program.attachType} of one of them, such as `AttachType.CGROUP_INET_EGRESS`. */
  readonly attachType: AttachType;
  /** All that run for the cgroup's processes, also those that are attached to cgroups above it. Default: its own alone. */
  readonly effective?: boolean | undefined;
}

/** What is attached to a cgroup. */
export interface AttachedCgroup extends AttachedPrograms {
  /** How; undefined when nothing is attached, or when asked for what is effective. */
  readonly mode: CgroupMode | undefined;
}

/** BPF_F_PREORDER of include/uapi/linux/bpf.h. */
const preorderFlag = 64;

/** What the programs of cgroups have in common: {@link CgroupSkb}, {@link CgroupSock} and the others that extend it. */
export class CgroupProgram extends Program {
  /**
   * Attaches to a cgroup: the program runs for it and for those below it, beside programs that are attached there already.
   * A socket belongs to the cgroup of the process that made it, when it made it.
   *
   * @throws {@link UsageError} when there is no such cgroup; `ERR_EBPF_BUSY` when what is attached there is alone, or the
   * revision is another one; {@link UnsupportedError} for an order before Linux 6.17; {@link PermissionError} without
   * CAP_NET_ADMIN and CAP_BPF; {@link KernelError} EPERM too when a program above that is alone is in the way.
   */
  override async attach(options: CgroupAttachOptions): Promise<CgroupLink> {
    const { signal, cgroup, mode = 'multi' } = requireCgroup(options, this.name);
    signal?.throwIfAborted();
    if (!Object.hasOwn(modeFlags, mode)) {
      throw UsageError.invalidValue('mode', `must be 'multi', 'override' or 'exclusive', not ${inspect(mode)}`);
    }
    const target = `${this.section.replace(/^\?/, '')} of cgroup ${typeof cgroup === 'string' ? escapeControl(cgroup) : 'given open'}`;
    const directory = openCgroup(cgroup);
    try {
      const made =
        mode === 'multi'
          ? await this.#link(directory, options)
          : await this.#alone(directory, { ...options, mode }, target);
      return await this.attached(CgroupLink, made, target, signal);
    } catch (error) {
      const reason = await this.#failure(cgroupFailure(error, cgroup), directory, target);
      throw attachFailure(reason, this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    } finally {
      directory.close();
    }
  }

  /**
   * The programs that are attached to a cgroup, by whomever, in the order in which they run, with a revision that counts changes
   * from Linux 6.17 on and is 0 before.
   *
   * @throws {@link UsageError} when there is no such cgroup; {@link PermissionError}; {@link KernelError}, such as EINVAL for
   * what is no attach type of cgroups.
   *
   * @example
   * ```js
   * const { programs } = await CgroupSkb.query({ cgroup, attachType: AttachType.CGROUP_INET_EGRESS, effective: true });
   * ```
   */
  static async query(options: CgroupQueryOptions): Promise<AttachedCgroup> {
    const { cgroup, attachType, effective = false } = options;
    const directory = openCgroup(cgroup);
    try {
      const found = await queryPrograms({ target: directory, attachType, flags: effective ? queryEffective : 0 });
      const { programs, revision, attachFlags } = found;
      return { programs, revision, mode: effective || programs.length === 0 ? undefined : modeOf(attachFlags) };
    } catch (error) {
      throw cgroupFailure(error, cgroup);
    } finally {
      directory.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no cgroup';
  }

  async #link(directory: Handle, options: CgroupAttachOptions): Promise<Handle> {
    const { order, preorder = false, expectedRevision } = options;
    const { attachType } = this;
    const { flags, fields, handles } = orderFields('cgroup', order, expectedRevision);
    // Older kernels do not look at an expected revision, and refuse the rest.
    const asks = Object.keys({ ...fields, ...handles }).length > 0 || flags > 0 || preorder;
    if (asks) await requireOrder(directory, attachType);
    const all = flags | (preorder ? preorderFlag : 0);
    try {
      return await createLink({ program: this.handle, target: directory, attachType, flags: all, fields, handles });
    } catch (error) {
      if (typeof order !== 'object' || !EbpfError.is(error) || error.errnoName !== 'EINVAL') throw error;
      // get_anchor_prog in kernel/bpf/cgroup.c wants links beside links.
      const problem =
        'must name a link of this cgroup and attach type, attached with the same `preorder`, not a program';
      throw UsageError.invalidValue('order', problem, { cause: error });
    }
  }

  async #alone(
    directory: Handle,
    options: CgroupAttachOptions & { readonly mode: CgroupMode },
    target: string,
  ): Promise<AttachmentWithoutLink> {
    const { mode, order, preorder, expectedRevision } = options;
    const ordered = Object.entries({ order, preorder, expectedRevision }).find(([, value]) => value !== undefined);
    if (ordered !== undefined) throw UsageError.invalidValue(ordered[0], `is of mode 'multi', not '${mode}'`);
    return attachAlone(this.handle, directory, { attachType: this.attachType, mode, target });
  }

  async #failure(error: unknown, directory: Handle, target: string): Promise<unknown> {
    const reason = revisionFailure(error, target, 'query()');
    if (!EbpfError.is(reason) || reason.errnoName !== 'EPERM') return reason;
    const { attachType } = this;
    const there = await queryPrograms({ target: directory, attachType }).catch(() => undefined);
    if (there === undefined || there.programs.length === 0) return reason;
    const mode = modeOf(there.attachFlags);
    return UsageError.busy(
      target,
      `what is attached there already is so in mode '${mode}', and all must be in the same`,
    );
  }
}

/** The kernels that count changes are those that have an order. */
async function requireOrder(directory: Handle, attachType: AttachType): Promise<void> {
  const { revision } = await queryPrograms({ target: directory, attachType });
  if (revision > 0n) return;
  throw new UnsupportedError('order of the programs of a cgroup', 'this kernel adds them last', { since: '6.17' });
}

function requireCgroup(options: CgroupAttachOptions | undefined, program: string): CgroupAttachOptions {
  if (options?.cgroup !== undefined) return options;
  throw UsageError.invalidValue(
    'cgroup',
    `program ${quote(program)} needs one: attach({ cgroup: '/sys/fs/cgroup/…' })`,
  );
}
