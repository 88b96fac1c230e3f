import { rmSync } from 'node:fs';

import { EbpfError, UsageError, quote } from '../errors/index.js';
import { networkNamespaceId, pinText, pinnedText, withInterface } from '../kernel/index.js';
import type { InterfaceTarget, NetworkNamespaceSource } from '../kernel/index.js';

import type { Link, LinkDetails } from './link.js';

/**
 * An attachment to an interface that the kernel has no link for, so that any process finds it again: what is pinned in place of a
 * link. @internal
 */
export interface LinkNote {
  readonly kind: 'tc-filter' | 'dispatched-xdp';
  /** The program's name, and where it is attached, for people. */
  readonly program: string;
  readonly target: string;
  /** Of the attached program; while it is replaced, of both. */
  readonly programIds: readonly number[];
  /** The index, in the network namespace of that number and, if it is not the process's own, that file. */
  readonly interface: number;
  readonly namespaceId: number;
  readonly netns?: string | undefined;
  /** Of filters. */
  readonly direction?: 'ingress' | 'egress' | undefined;
  readonly priority?: number | undefined;
  readonly handle?: number | undefined;
  /** Of dispatchers. */
  readonly bpffs?: string | undefined;
}

/** Makes of a note what its link is made from. @internal */
export type NoteOpener = (
  note: LinkNote,
) => { readonly kind: new (details: LinkDetails) => Link } & Partial<LinkDetails>;

const prefix = 'node-ebpf:';
const openers = new Map<string, NoteOpener>();

/** Says how notes of a kind are opened; each kind says so itself. @internal */
export function registerNoteOpener(kind: LinkNote['kind'], open: NoteOpener): void {
  openers.set(kind, open);
}

/** @internal */
export function pinNote(note: LinkNote, path: string, options?: { readonly replace?: boolean }): void {
  pinText(`${prefix}${JSON.stringify(note)}`, path, options);
}

/** The note that is pinned at `path`, and how it is opened; undefined where there is none. @internal */
export function pinnedNote(path: string): { readonly note: LinkNote; readonly open: NoteOpener } | undefined {
  const text = pinnedText(path);
  if (text?.startsWith(prefix) !== true) return undefined;
  const note = parseNote(text.slice(prefix.length));
  const open = openers.get(note?.kind ?? '');
  if (note !== undefined && open !== undefined) return { note, open };
  throw UsageError.invalidValue('path', `${quote(path)} is a pin that this version of node-ebpf does not know`);
}

function parseNote(text: string): LinkNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isNote(value) ? value : undefined;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
const isAbsentOr = (is: (value: unknown) => boolean, value: unknown): boolean => value === undefined || is(value);

/** Whoever may write there may write anything. */
function isNote(value: unknown): value is LinkNote {
  const note = Object(value) as Partial<Record<keyof LinkNote, unknown>>;
  return (
    [note.kind, note.program, note.target].every(isText) &&
    [note.interface, note.namespaceId].every(isNumber) &&
    Array.isArray(note.programIds) &&
    note.programIds.every(isNumber) &&
    [note.priority, note.handle].every((number) => isAbsentOr(isNumber, number)) &&
    [note.netns, note.bpffs].every((text) => isAbsentOr(isText, text)) &&
    isAbsentOr((direction) => direction === 'ingress' || direction === 'egress', note.direction)
  );
}

/** What `use` gives for the interface of a note; undefined when the interface is gone, and with it all that was attached there. @internal */
export async function atNotedPlace<Result>(
  { interface: index, netns, namespaceId }: LinkNote,
  use: (target: InterfaceTarget) => Promise<Result>,
): Promise<Result | undefined> {
  if (namespaceOf(netns) !== namespaceId) {
    if (netns !== undefined) return undefined;
    throw UsageError.invalidValue('netns', 'it is attached in another network namespace than that of this process');
  }
  try {
    return await withInterface(index, netns, use);
  } catch (error) {
    const isGone = EbpfError.is(error) && (error.errnoName === 'ENODEV' || isAboutInterface(error));
    if (isGone) return undefined;
    throw error;
  }
}

function isAboutInterface(error: unknown): boolean {
  return error instanceof UsageError && error.path === 'interface';
}

function namespaceOf(netns: string | undefined): number | undefined {
  try {
    return networkNamespaceId(netns);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * What a note says of an interface; undefined where no other process would find it.
 *
 * @internal
 */
export function notablePlace(
  index: number,
  netns: NetworkNamespaceSource | undefined,
): Pick<LinkNote, 'interface' | 'namespaceId' | 'netns'> | undefined {
  if (netns !== undefined && typeof netns !== 'string') return undefined;
  return { interface: index, namespaceId: networkNamespaceId(netns), netns };
}

/**
 * Attaches by `attach` what is pinned at `pin` before: when the process is killed meanwhile, nothing is attached that the pin does
 * not name. When it fails, the pin is removed.
 *
 * @throws {@link UsageError} when there is nothing to pin.
 *
 * @internal
 */
export async function withPinnedNote<Result>(
  note: LinkNote | undefined,
  pin: string | undefined,
  attach: () => Promise<Result>,
): Promise<Result> {
  if (pin === undefined) return attach();
  if (note === undefined)
    throw UsageError.invalidValue('netns', 'must be a path, so that what is pinned is found again by it');
  pinNote(note, pin);
  try {
    return await attach();
  } catch (error) {
    rmSync(pin, { force: true });
    throw error;
  }
}
