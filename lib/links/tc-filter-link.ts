import { EbpfError, UsageError } from '../errors/index.js';
import type { InterfaceTarget } from '../kernel/index.js';
import { listTcFilters, objectInfo, removeTcFilter, setTcFilter } from '../sys/index.js';
import type { AttachedTcFilter, Handle, TcFilter } from '../sys/index.js';

import type { LinkDetails } from './link.js';
import { atNotedPlace, registerNoteOpener, type LinkNote } from './link-note.js';
import { UpdatableLink } from './updatable-link.js';

/** What a filter's link is made from. @internal */
export interface TcFilterDetails extends LinkDetails {
  readonly filter?: { readonly priority: number; readonly handle: number } | undefined;
}

/**
 * A program attached to the traffic of a network interface as a filter (`tc filter … bpf direct-action`), as was done before
 * Linux 6.6. The kernel has no link for it: there is nothing to describe, and it stays attached when the process ends without
 * closing this object. It can be pinned all the same: {@link Link.pin}. {@link UpdatableLink.update} keeps
 * priority, handle and class.
 */
export class TcFilterLink extends UpdatableLink {
  static {
    registerNoteOpener('tc-filter', openFilter);
  }

  /** Which filters run first: lower ones. 1 to 65535. */
  readonly priority: number;
  /** The filter's number among those of its priority. */
  readonly filterHandle: number;

  /** @internal */
  constructor(details: TcFilterDetails) {
    super(details);
    this.priority = details.filter?.priority ?? 0;
    this.filterHandle = details.filter?.handle ?? 0;
  }
}

/** Of a filter that another process, or an earlier one, attached. */
function openFilter(note: LinkNote): { readonly kind: typeof TcFilterLink } & Partial<TcFilterDetails> {
  const { direction = 'ingress', priority = 0, handle = 0, interface: interfaceIndex } = note;
  const ids = new Set(note.programIds);
  const ours = async ({ index, networkNamespace }: InterfaceTarget): Promise<readonly AttachedTcFilter[]> =>
    (await listTcFilters(index, direction, networkNamespace)).filter(({ programId = 0, actionProgramIds = [] }) =>
      [programId, ...actionProgramIds].some((id) => ids.has(id)),
    );
  return {
    kind: TcFilterLink,
    filter: { priority, handle },
    withoutLink: {
      feature: 'links of filters',
      explanation: `this is a filter of clsact, ${note.target}`,
      since: '6.6',
    },
    survivesProcess: true,
    isAttached: async () => ((await atNotedPlace(note, ours)) ?? []).length > 0,
    detach: async () => {
      await atNotedPlace(note, async (target) => {
        for (const found of await ours(target)) {
          const filter = { interfaceIndex, direction, priority: found.priority, handle: found.handle };
          await removeTcFilter(filter, target.networkNamespace).catch(ignoreAbsence);
        }
      });
    },
    replace: async (program: Handle, expected: Handle | undefined) => {
      if (expected !== undefined) throw UsageError.invalidValue('expected', 'filters are replaced whatever they run');
      const replaced = await atNotedPlace(note, async (target) => {
        const { networkNamespace } = target;
        const [present] = await ours(target);
        const action = present?.actionProgramIds !== undefined;
        const place = { interfaceIndex, direction, priority, handle, classId: present?.classId, action };
        return setTcFilter(place, program, { replace: true, networkNamespace });
      });
      if (replaced === undefined) throw UsageError.invalidValue('link', `the interface of ${note.target} is gone`);
      ids.clear();
      ids.add(objectInfo(program, 'program').id);
    },
  };
}

/** Whether a filter is where it was attached. @internal */
export async function hasTcFilter(wanted: TcFilter, networkNamespace: Handle | undefined): Promise<boolean> {
  const { interfaceIndex, direction, priority, handle } = wanted;
  try {
    const filters = await listTcFilters(interfaceIndex, direction, networkNamespace);
    return filters.some((filter) => filter.priority === priority && filter.handle === handle);
  } catch (error) {
    ignoreAbsence(error);
    return false;
  }
}

/** Somebody else removed the filter, or its interface. @internal */
export function ignoreAbsence(error: unknown): void {
  if (!EbpfError.is(error) || !['ENOENT', 'ENODEV', 'EINVAL'].includes(error.errnoName ?? '')) throw error;
}
