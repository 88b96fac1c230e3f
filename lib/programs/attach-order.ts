import { constants } from 'node:os';

import { EbpfError, UsageError } from '../errors/index.js';
import type { CgroupLink, NetkitLink, TcxLink } from '../links/index.js';
import { Handle, objectInfo, type AttachedPrograms, type HeldObject, type LinkField } from '../sys/index.js';

/** A program that is attached at the same place already: itself, its link, or the id of either. */
export type AttachAnchor =
  TcxLink | NetkitLink | CgroupLink | HeldObject | { readonly programId: number } | { readonly linkId: number };

/** Where among the programs at a place a program runs. */
export type AttachOrder = 'first' | 'last' | { readonly before: AttachAnchor } | { readonly after: AttachAnchor };

/** BPF_F_BEFORE, AFTER, ID and LINK of include/uapi/linux/bpf.h. */
const Flag = { BEFORE: 8, AFTER: 16, ID: 32, LINK: 8192 } as const;

/** What BPF_LINK_CREATE takes for an order. @internal */
export interface OrderFields {
  readonly flags: number;
  readonly fields: Readonly<Partial<Record<LinkField, number | bigint>>>;
  readonly handles: Readonly<Partial<Record<LinkField, Handle>>>;
}

/** The kinds of links that have an order, as their fields are called. @internal */
export type OrderedKind = 'tcx' | 'netkit' | 'cgroup';

/** Throws UsageError for what is no order. @internal */
export function orderFields(
  kind: OrderedKind,
  order: AttachOrder | undefined,
  expectedRevision?: number | bigint,
): OrderFields {
  const placed = placeFields(kind, order);
  if (expectedRevision === undefined) return placed;
  return { ...placed, fields: { ...placed.fields, [`${kind}.expected_revision`]: expectedRevision } };
}

/** How often others may be quicker. */
const mostAttempts = 20;

/** The last of the attaches that wait for each other, by what they know of priorities. */
const turns = new WeakMap<object, Promise<unknown>>();

/**
 * Attaches by `attach` at the place that `priority` has among the links whose priorities are known, by their ids, and adds the
 * new one. Those that share what they know take turns, since each is to know of the one before. @internal
 */
export async function byPriority(
  priority: number,
  among: Map<number, number>,
  query: () => Promise<AttachedPrograms>,
  attach: (order: AttachOrder, expectedRevision: bigint) => Promise<Handle>,
): Promise<Handle> {
  const turn = (turns.get(among) ?? Promise.resolve()).then(async () => {
    const link = await inPlace(priority, among, query, attach);
    among.set(objectInfo(link, 'link').id, priority);
    return link;
  });
  turns.set(
    among,
    turn.catch(() => undefined),
  );
  return turn;
}

/** Begins anew when something changes there between the question and the attach. */
async function inPlace<Result>(
  priority: number,
  among: ReadonlyMap<number, number>,
  query: () => Promise<AttachedPrograms>,
  attach: (order: AttachOrder, expectedRevision: bigint) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    const { programs, revision } = await query();
    try {
      return await attach(placeAmong(priority, among, programs), revision);
    } catch (error) {
      // Node has no name for it.
      const hasChanged = EbpfError.is(error) && error.errno === -constants.errno.ESTALE;
      if (!hasChanged || attempt >= mostAttempts) throw error;
    }
  }
}

function placeAmong(
  priority: number,
  among: ReadonlyMap<number, number>,
  programs: AttachedPrograms['programs'],
): AttachOrder {
  const known = programs.flatMap(({ linkId = 0 }) => (among.has(linkId) ? linkId : []));
  const later = known.find((linkId) => (among.get(linkId) ?? 0) > priority);
  if (later !== undefined) return { before: { linkId: later } };
  const last = known.at(-1);
  return last === undefined ? 'last' : { after: { linkId: last } };
}

function placeFields(kind: OrderedKind, order: AttachOrder | undefined): OrderFields {
  if (order === undefined) return { flags: 0, fields: {}, handles: {} };
  if (order === 'first') return { flags: Flag.BEFORE, fields: {}, handles: {} };
  if (order === 'last') return { flags: Flag.AFTER, fields: {}, handles: {} };
  if (typeof order === 'object' && 'before' in order) return anchored(kind, Flag.BEFORE, order.before, 'order.before');
  if (typeof order === 'object' && 'after' in order) return anchored(kind, Flag.AFTER, order.after, 'order.after');
  throw UsageError.invalidValue('order', "must be 'first', 'last', { before } or { after }");
}

function anchored(kind: OrderedKind, place: number, anchor: AttachAnchor, path: string): OrderFields {
  if (typeof anchor === 'object' && 'programId' in anchor)
    return byId(kind, place, anchor.programId, `${path}.programId`);
  if (typeof anchor === 'object' && 'linkId' in anchor) {
    return byId(kind, place | Flag.LINK, anchor.linkId, `${path}.linkId`);
  }
  const handle: unknown = typeof anchor === 'object' && 'handle' in anchor ? anchor.handle : undefined;
  if (handle instanceof Handle && (handle.kind === 'program' || handle.kind === 'link')) {
    const flags = handle.kind === 'link' ? place | Flag.LINK : place;
    return { flags, fields: {}, handles: { [`${kind}.relative_fd`]: handle } };
  }
  throw UsageError.invalidValue(path, 'must be an attached program, its link, { programId } or { linkId }');
}

function byId(kind: OrderedKind, flags: number, id: number, path: string): OrderFields {
  if (Number.isInteger(id) && id > 0 && id <= 0xffff_ffff) {
    return { flags: flags | Flag.ID, fields: { [`${kind}.relative_id`]: id }, handles: {} };
  }
  throw UsageError.invalidValue(path, `must be an id, not ${String(id)}`);
}
