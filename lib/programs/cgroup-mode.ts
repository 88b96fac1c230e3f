import type { AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { attachProgram, detachProgram, duplicateHandle, objectInfo, queryPrograms, type Handle } from '../sys/index.js';

import type { AttachmentWithoutLink } from './program.js';

/**
 * Which other programs may run with one of a cgroup. `'multi'`: any; all of the cgroup's, and those of cgroups above and below it.
 * `'override'`: alone in its cgroup, until a cgroup below has one, which then takes its place there. `'exclusive'`: alone, also in
 * all cgroups below.
 */
export type CgroupMode = 'multi' | 'override' | 'exclusive';

/** BPF_F_ALLOW_MULTI and BPF_F_ALLOW_OVERRIDE of include/uapi/linux/bpf.h. */
export const modeFlags: Readonly<Record<CgroupMode, number>> = { multi: 2, override: 1, exclusive: 0 };

/** The mode that the flags of an attach mean. */
export function modeOf(flags: number): CgroupMode {
  if ((flags & modeFlags.multi) !== 0) return 'multi';
  return (flags & modeFlags.override) === 0 ? 'exclusive' : 'override';
}

interface Place {
  readonly attachType: AttachType;
  readonly mode: CgroupMode;
  readonly target: string;
}

/** Attaches a program that is alone in its cgroup, which no link can. */
export async function attachAlone(
  program: Handle,
  directory: Handle,
  { attachType, mode, target }: Place,
): Promise<AttachmentWithoutLink & { replace: (program: Handle, expected: Handle | undefined) => Promise<void> }> {
  const there = await queryPrograms({ target: directory, attachType });
  // The kernel would replace it.
  if (there.programs.length > 0) throw UsageError.busy(target, 'a program is attached already');
  await attachProgram(program, directory, attachType, modeFlags[mode]);
  // These are its own: the program's object may be closed before it.
  const place = duplicateHandle(directory);
  let current = duplicateHandle(program);
  return {
    withoutLink: {
      feature: `links of cgroups in mode '${mode}'`,
      explanation: `the program was attached to ${target} without one`,
    },
    survivesProcess: true,
    detach: async () => {
      try {
        // The kernel takes off whatever is there. Somebody else's is theirs.
        const { programs } = await queryPrograms({ target: place, attachType });
        if (programs[0]?.programId !== objectInfo(current, 'program').id) return;
        await detachProgram(current, place, attachType);
      } catch (error) {
        // The cgroup was removed, and with it what was attached.
        if (!EbpfError.is(error) || !['ENOENT', 'ENODEV'].includes(error.errnoName ?? '')) throw error;
      } finally {
        current.close();
        place.close();
      }
    },
    replace: async (newer, expected) => {
      if (expected !== undefined) throw UsageError.invalidValue('expected', `is of links, and of mode 'multi'`);
      await attachProgram(newer, place, attachType, modeFlags[mode]);
      current.close();
      current = duplicateHandle(newer);
    },
  };
}
