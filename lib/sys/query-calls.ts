import { constants } from 'node:os';

import { BpfCommand, ProgQueryAttr, type AttachType } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { commandName, tryBpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';

/** A program that is attached somewhere. */
export interface AttachedProgram {
  readonly programId: number;
  /** Absent where it is attached without a link, and where the kernel does not tell: of cgroups and network namespaces. */
  readonly linkId?: number;
}

/** What is attached somewhere, in the order in which it runs. */
export interface AttachedPrograms {
  readonly programs: readonly AttachedProgram[];
  /** Counts the changes; 0 where the kernel does not. */
  readonly revision: bigint;
}

export interface QueryProgramsOptions {
  /** The index of a network interface; or a cgroup or a network namespace. */
  readonly target: number | Handle;
  readonly attachType: AttachType;
  /** BPF_F_QUERY_* */
  readonly flags?: number | undefined;
  /** Where the interface is; in the process's own network namespace without it. */
  readonly networkNamespace?: Handle | undefined;
}

/** BPF_F_QUERY_EFFECTIVE of include/uapi/linux/bpf.h: with what cgroups above contribute. */
export const queryEffective = 1;

const ENOSPC = -constants.errno.ENOSPC;

/** BPF_PROG_QUERY, off the event loop. Which attach types it knows depends on the kernel: EINVAL for the others. */
export async function queryPrograms(
  options: QueryProgramsOptions,
): Promise<AttachedPrograms & { readonly attachFlags: number }> {
  const { target, attachType, flags, networkNamespace } = options;
  for (let room = 64; ; room *= 2) {
    const programIds = new Uint32Array(room);
    const linkIds = new Uint32Array(room);
    const attr = new AttributeWriter(ProgQueryAttr)
      .number('attach_type', attachType)
      .number('query_flags', flags)
      .pointer('prog_ids', new Uint8Array(programIds.buffer), Direction.FROM_KERNEL)
      .number('count', room);
    if (target instanceof Handle) attr.handle('target_fd', target);
    // Kernels without TCX know of no links here, and refuse room for them.
    else
      attr.number('target_ifindex', target).pointer('link_ids', new Uint8Array(linkIds.buffer), Direction.FROM_KERNEL);
    const result = await tryBpfAsync(BpfCommand.PROG_QUERY, attr, networkNamespace);
    if (result === ENOSPC) continue;
    if (result < 0) throw new KernelError('query the attached programs', commandName(BpfCommand.PROG_QUERY), result);
    const programs: AttachedProgram[] = [];
    for (const [index, programId] of programIds.subarray(0, attr.read('count')).entries()) {
      const linkId = linkIds[index] ?? 0;
      programs.push(linkId === 0 ? { programId } : { programId, linkId });
    }
    return { programs, revision: BigInt(attr.read('revision')), attachFlags: attr.read('attach_flags') };
  }
}
