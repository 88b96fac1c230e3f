// Attaching and detaching, by hook: in an order on interfaces, and so that it outlives the daemon.
import { EbpfError, features, LinkType, Tc, UsageError, Xdp, XdpDispatcher } from 'node-ebpf';
import type { AttachOrder, Ebpf, Link } from 'node-ebpf';

import type { Attachment } from './protocol.js';

type TcHook = Parameters<typeof Tc.query>[0];
/** A hook of an interface; `undefined` where the program's section says it. */
export type Hook = XdpDispatcher | TcHook | undefined;

export function hookOf({ hook, interface: name }: Attachment, netns: string | undefined, bpffs: string): Hook {
  if (name === undefined) return undefined;
  if (hook === 'xdp') return new XdpDispatcher({ interface: name, netns, bpffs });
  return { interface: name, netns, direction: hook === 'tc/ingress' ? 'ingress' : 'egress' };
}

/**
 * Attaches a program beside those that are there. Returns the link that is to be pinned; what has none stays by itself.
 * `priorities` are those of our own links, by their ids.
 */
export async function attach(
  ebpf: Ebpf,
  { program, priority }: Attachment,
  hook: Hook,
  priorities: ReadonlyMap<number, number>,
): Promise<Link | undefined> {
  if (hook === undefined) return ebpf.program(program).attach();
  if (hook instanceof XdpDispatcher) {
    await hook.attach(ebpf.program(program, Xdp), { priority, keep: true });
    return undefined;
  }
  const tc = ebpf.program(program, Tc);
  const { supported } = await features.linkType(LinkType.TCX);
  if (supported) return tc.attach({ ...hook, order: await orderOf(priority, hook, priorities) });
  await tc.attach({ ...hook, priority, keep: true });
  return undefined;
}

/** TCX has an order and no priorities: before the first of ours that is to run later, else after the last of ours. */
async function orderOf(priority: number, hook: TcHook, priorities: ReadonlyMap<number, number>): Promise<AttachOrder> {
  const { programs } = await Tc.query(hook);
  const ours = programs.flatMap(({ linkId = 0 }) => (priorities.has(linkId) ? linkId : []));
  const later = ours.find((linkId) => (priorities.get(linkId) ?? 0) > priority);
  const last = ours.at(-1);
  if (later !== undefined) return { before: { linkId: later } };
  return last === undefined ? 'last' : { after: { linkId: last } };
}

/** Which programs run at a hook, by their ids. */
export async function programsAt(hook: NonNullable<Hook>): Promise<readonly (number | undefined)[]> {
  const found = await ifThere(async () => {
    if (hook instanceof XdpDispatcher) return (await hook.query())?.programs;
    const { programs, filters } = await Tc.query(hook);
    return [...programs, ...filters];
  });
  return (found ?? []).map(({ programId }) => programId);
}

/** Takes off those of the programs that no link keeps at a hook. */
export async function detach(hook: NonNullable<Hook>, programIds: ReadonlySet<number>): Promise<void> {
  await ifThere(async () => {
    if (hook instanceof XdpDispatcher) {
      const ours = (await hook.query())?.programs.filter(({ programId }) => programIds.has(programId)) ?? [];
      if (ours.length > 0) await hook.change({ detach: ours });
      return;
    }
    for (const { programId = 0, priority, handle } of (await Tc.query(hook)).filters)
      if (programIds.has(programId)) await Tc.removeFilter({ ...hook, priority, handle });
  });
}

/** With an interface, or its namespace, all goes that was attached there. */
async function ifThere<Result>(use: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await use();
  } catch (error) {
    const isGone = EbpfError.is(error) && (error.code === 'ERR_EBPF_NOT_FOUND' || error.errnoName === 'ENODEV');
    if (isGone || (error instanceof UsageError && error.path === 'netns')) return undefined;
    throw error;
  }
}
