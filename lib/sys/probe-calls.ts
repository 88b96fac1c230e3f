import { type AttachType, BpfCommand, LinkCreateAttr, ProgBindMapAttr } from '../abi/index.js';
import { addon } from './addon.js';
import { AttributeWriter } from './attribute-writer.js';
import { tryBpf, tryBpfAsync } from './bpf-call.js';
import type { Handle } from './handle.js';
import type { LinkField } from './link-calls.js';
import { trace } from './trace.js';

// Calls whose failure is the answer: they return 0 or -errno, and leave nothing behind.

/** What a probe gives BPF_LINK_CREATE. */
export interface LinkAttempt {
  readonly program: Handle;
  readonly attachType: AttachType;
  readonly fields?: Readonly<Partial<Record<LinkField, number | bigint>>> | undefined;
}

/** Tries to make a link, with arguments that the caller knows to be refused by a kernel that has such links. */
export async function attemptLink(attempt: LinkAttempt): Promise<number> {
  return unmade(await tryBpfAsync(BpfCommand.LINK_CREATE, linkAttributes(attempt)));
}

/** As {@link attemptLink}, on the event loop: the kernel refuses before it does anything. */
export function attemptLinkNow(attempt: LinkAttempt): number {
  return unmade(tryBpf(BpfCommand.LINK_CREATE, linkAttributes(attempt)));
}

function linkAttributes({ program, attachType, fields = {} }: LinkAttempt): AttributeWriter<LinkField> {
  const attr = new AttributeWriter(LinkCreateAttr).handle('prog_fd', program).number('attach_type', attachType);
  for (const [field, value] of Object.entries(fields)) attr.number(field as LinkField, value);
  return attr;
}

function unmade(token: number): number {
  if (token < 0) return token;
  trace(`close(link ${token})`, addon().close(token));
  return 0;
}

/** Makes a program hold a map that its code does not mention. Linux 5.10. */
export async function bindMap(program: Handle, map: Handle): Promise<number> {
  const attr = new AttributeWriter(ProgBindMapAttr).handle('prog_fd', program).handle('map_fd', map);
  return tryBpfAsync(BpfCommand.PROG_BIND_MAP, attr);
}
