import { EbpfError, UsageError } from '../errors/index.js';
import type { InterfaceTarget } from '../kernel/index.js';
import type { LinkableProgram } from '../links/index.js';
import { duplicateHandle, openById, requireHandle, setXdp, XdpFlag, type Handle } from '../sys/index.js';

import type { AttachmentWithoutLink } from './program.js';

interface Attachment {
  /** The mode's. */
  readonly flags: number;
  readonly replace: LinkableProgram | { readonly programId: number } | undefined;
  readonly words: string;
}

/** Attaches an XDP program as was done before there were links. */
export async function attachByNetlink(
  program: Handle,
  { index: interfaceIndex, networkNamespace }: InterfaceTarget,
  { flags, replace, words }: Attachment,
): Promise<AttachmentWithoutLink & { replace: (program: Handle, expected: Handle | undefined) => Promise<void> }> {
  const older = replace === undefined ? undefined : openReplaced(replace);
  try {
    const condition = older === undefined ? XdpFlag.ONLY_IF_NONE : XdpFlag.REPLACE;
    await setXdp({ interfaceIndex, program, flags: flags | condition, expected: older, networkNamespace });
  } catch (error) {
    if (older !== undefined && EbpfError.is(error) && error.errnoName === 'EEXIST') {
      throw UsageError.busy(words, 'in this mode another program than that to replace is attached, or none');
    }
    throw error;
  } finally {
    older?.close();
  }
  // These are its own: the program's object may be closed before it, and the namespace's file be gone.
  const space = networkNamespace === undefined ? undefined : duplicateHandle(networkNamespace);
  let current = duplicateHandle(program);
  const swap = async (newer: Handle | undefined, expected = current): Promise<void> =>
    setXdp({ interfaceIndex, program: newer, flags: flags | XdpFlag.REPLACE, expected, networkNamespace: space });
  return {
    withoutLink: { feature: 'links of XDP', explanation: `the program was attached to ${words} by netlink` },
    survivesProcess: true,
    detach: async () => {
      try {
        await swap(undefined);
      } catch (error) {
        // Somebody else attached another program, which is theirs, or detached this one, or removed the interface.
        if (!EbpfError.is(error) || !['EEXIST', 'ENODEV'].includes(error.errnoName ?? '')) throw error;
      } finally {
        current.close();
        space?.close();
      }
    },
    replace: async (newer, expected) => {
      await swap(newer, expected);
      current.close();
      current = duplicateHandle(newer);
    },
  };
}

function openReplaced(replace: LinkableProgram | { readonly programId: number }): Handle {
  if ('programId' in replace) return openById('program', replace.programId);
  return duplicateHandle(requireHandle('replace', replace, 'program'));
}
