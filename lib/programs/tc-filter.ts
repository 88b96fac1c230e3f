import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import type { InterfaceTarget, NetworkNamespaceSource } from '../kernel/index.js';
import { hasTcFilter, ignoreAbsence, notablePlace, pinNote, withPinnedNote } from '../links/index.js';
import type { LinkNote, TcFilterLink } from '../links/index.js';
import { addClsact, duplicateHandle, removeTcFilter, setTcFilter } from '../sys/index.js';
import type { Handle, TcDirection, TcFilter } from '../sys/index.js';

import type { AttachmentWithoutLink, Program } from './program.js';

interface FilterPlace {
  readonly direction: TcDirection;
  /** Where that is, for people. */
  readonly words: string;
  readonly netns?: NetworkNamespaceSource | undefined;
  readonly priority?: number | undefined;
  readonly handle?: number | undefined;
  readonly classId?: number | undefined;
  /** Whether the program is the action of the filter. */
  readonly action?: boolean | undefined;
  readonly keep?: boolean | undefined;
  readonly pin?: string | undefined;
}

/** Attaches a program as a filter of clsact, or as the action of one, of which `use` makes a link. */
export async function attachTcFilter(
  program: Pick<Program, 'handle' | 'name' | 'info'>,
  { index, networkNamespace }: InterfaceTarget,
  place: FilterPlace,
  use: (made: AttachmentWithoutLink & { readonly filter: TcFilter }) => Promise<TcFilterLink>,
): Promise<TcFilterLink> {
  const { direction, words, netns, priority = 0, handle = 0, classId = 0, action, keep = false, pin } = place;
  const wanted = {
    interfaceIndex: index,
    direction,
    priority: requireUnsigned('priority', priority, 0xffff),
    handle: requireUnsigned('handle', handle, 0xffff_ffff),
    classId: requireUnsigned('classId', classId, 0xffff_ffff),
    action,
  };
  const notable = notablePlace(index, netns);
  const note: LinkNote | undefined = notable && {
    ...{ kind: 'tc-filter', program: program.name, target: words, programIds: [program.info().id] },
    ...{ ...notable, direction, priority, handle },
  };
  await addClsact(index, networkNamespace);
  return withPinnedNote(note, pin, async () => {
    const filter = await setTcFilter(wanted, program.handle, { replace: false, networkNamespace });
    // The interface is to be found again when the namespace's file is gone.
    const space = networkNamespace === undefined ? undefined : duplicateHandle(networkNamespace);
    const leave = async (): Promise<void> => Promise.resolve(space?.close());
    const remove = async (): Promise<void> => {
      try {
        await removeTcFilter(filter, space).catch(ignoreAbsence);
      } finally {
        space?.close();
      }
    };
    const made = {
      withoutLink: {
        feature: 'links of filters',
        explanation: `the program was attached to ${words} as a filter of clsact`,
        since: '6.6',
      },
      survivesProcess: true,
      ...{ detach: keep ? leave : remove, undo: remove, leave, filter },
      isAttached: async () => hasTcFilter(filter, space),
      note: note && { ...note, priority: filter.priority, handle: filter.handle },
      pins: pin === undefined ? [] : [pin],
      replace: async (newer: Handle, expected: Handle | undefined): Promise<void> => {
        if (expected !== undefined) throw UsageError.invalidValue('expected', 'filters are replaced whatever they run');
        await setTcFilter(filter, newer, { replace: true, networkNamespace: space });
      },
    };
    try {
      // What the kernel chose is known only now.
      if (pin !== undefined && made.note !== undefined) pinNote(made.note, pin, { replace: true });
    } catch (error) {
      await remove();
      throw error;
    }
    return use(made);
  });
}

const directions: readonly unknown[] = ['ingress', 'egress'];

export function requireDirection(direction: TcDirection): TcDirection {
  if (directions.includes(direction)) return direction;
  throw UsageError.invalidValue('direction', `must be 'ingress' or 'egress', not ${inspect(direction)}`);
}

export function requireUnsigned(path: string, value: number, most: number, least = 0): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw UsageError.invalidValue(path, `must be a whole number from 1 to ${most}, not ${String(value)}`);
}
