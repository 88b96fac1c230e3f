import { constants } from 'node:os';

import { BpfCommand, ProgQueryAttr, type AttachType } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { commandName, tryBpfAsync } from './bpf-call.js';
import type { Handle } from './handle.js';

/** A program that is attached somewhere. */
export interface AttachedProgram {
  readonly programId: number;
  /** Absent where it is attached without a link. */
  readonly linkId?: number;
}

/** What is attached somewhere, in the order in which it runs. */
export interface AttachedPrograms {
  readonly programs: readonly AttachedProgram[];
  /** Counts the changes; 0 where the kernel does not. */
  readonly revision: bigint;
}

export interface QueryProgramsOptions {
  /** The index of a network interface. */
  readonly target: number;
  readonly attachType: AttachType;
  /** Where the interface is; in the process's own network namespace without it. */
  readonly networkNamespace?: Handle | undefined;
}

const ENOSPC = -constants.errno.ENOSPC;

/** BPF_PROG_QUERY, off the event loop. Which attach types it knows depends on the kernel: EINVAL for the others. */
export async function queryPrograms({
  target,
  attachType,
  networkNamespace,
}: QueryProgramsOptions): Promise<AttachedPrograms> {
  for (let room = 64; ; room *= 2) {
    const programIds = new Uint32Array(room);
    const linkIds = new Uint32Array(room);
    const attr = new AttributeWriter(ProgQueryAttr)
      .number('target_ifindex', target)
      .number('attach_type', attachType)
      .pointer('prog_ids', new Uint8Array(programIds.buffer), Direction.FROM_KERNEL)
      .pointer('link_ids', new Uint8Array(linkIds.buffer), Direction.FROM_KERNEL)
      .number('count', room);
    const result = await tryBpfAsync(BpfCommand.PROG_QUERY, attr, networkNamespace);
    if (result === ENOSPC) continue;
    if (result < 0) throw new KernelError('query the attached programs', commandName(BpfCommand.PROG_QUERY), result);
    const programs: AttachedProgram[] = [];
    for (const [index, programId] of programIds.subarray(0, attr.read('count')).entries()) {
      const linkId = linkIds[index] ?? 0;
      programs.push(linkId === 0 ? { programId } : { programId, linkId });
    }
    return { programs, revision: BigInt(attr.read('revision')) };
  }
}
