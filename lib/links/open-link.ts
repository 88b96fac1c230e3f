import { AttachType, LinkType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { openObject, requireLinux, type ObjectSource } from '../kernel/index.js';
import { objectInfo, openById, type Handle, type LinkInfo } from '../sys/index.js';

import type { Link, LinkDetails } from './link.js';
import { pinnedNote } from './link-note.js';

/** A class of links: `Link`, `XdpLink`. */
export interface LinkKind<L extends Link> {
  /** The class's name, for errors. */
  readonly name: string;
  /** What its links inherit. */
  readonly prototype: L;
}

/** A class of which links are made. @internal */
export type LinkClass = new (details: LinkDetails) => Link;

const classes = new Map<number, LinkClass>();

/** Makes a class the one of a type of links that are opened; called by the class itself. @internal */
export function registerLinkClass(type: number, kind: LinkClass): void {
  classes.set(type, kind);
}

/** Opens a link as a class; when it is of another, it is closed again. @internal */
export function openLinkAs<L extends Link>(kind: LinkKind<L>, source: ObjectSource): L {
  requireLinux();
  const noted = typeof source === 'string' ? openNoted(kind, source) : undefined;
  if (noted !== undefined) return noted;
  const handle = openObject('link', source);
  try {
    const info = objectInfo(handle, 'link');
    const found = classes.get(info.type) ?? classes.get(LinkType.UNSPEC);
    if (found === undefined || !isKind(found, kind)) {
      const problem = `it is a link of type ${info.kind}, not a ${kind.name}; ask for ${found?.name ?? 'Link'}`;
      throw UsageError.invalidValue(`link ${info.id}`, problem);
    }
    return new found({
      handle,
      program: programName(info.programId),
      target: linkTarget(info),
      // Nothing of this process stands behind it.
      owner: {},
      pins: typeof source === 'string' ? [source] : [],
    }) as L;
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** Opens what is pinned in place of a kernel link; undefined where that is not so. */
function openNoted<L extends Link>(kind: LinkKind<L>, path: string): L | undefined {
  const { note, open } = pinnedNote(path) ?? {};
  if (note === undefined || open === undefined) return undefined;
  const { kind: found, ...details } = open(note);
  const { program, target } = note;
  if (!isKind(found, kind))
    throw UsageError.invalidValue(`link of ${program}`, `it is a ${found.name}, not a ${kind.name}`);
  const leave = async (): Promise<void> => Promise.resolve();
  return new found({ handle: undefined, ...details, program, target, owner: {}, pins: [path], note, leave }) as L;
}

function isKind<L extends Link>(found: LinkClass, kind: LinkKind<L>): boolean {
  const wanted: unknown = kind.prototype;
  return found.prototype === wanted || Object.prototype.isPrototypeOf.call(kind.prototype, found.prototype as object);
}

/** The program's name, if this process may ask for it. */
function programName(id: number): string {
  if (id === 0) return '';
  let program: Handle | undefined;
  try {
    program = openById('program', id);
    return objectInfo(program, 'program').name;
  } catch (error) {
    if (EbpfError.is(error) && error.errno !== undefined) return `program ${id}`;
    throw error;
  } finally {
    program?.close();
  }
}

const attachTypeNames = new Map<number, string>(Object.entries(AttachType).map(([name, type]) => [type, name]));

/** Where a link is attached, for people, as far as the kernel says it: `xdp interface 4`. */
export function linkTarget(info: LinkInfo): string {
  switch (info.kind) {
    case 'raw_tracepoint':
      return `raw_tp ${info.name}`;
    case 'tracing':
      return `${attach(info)} function ${info.targetBtfId} of BTF ${info.targetObjectId}`;
    case 'cgroup':
      return `${attach(info)} of cgroup ${info.cgroupId}`;
    case 'iter':
      return `iter ${info.target}`;
    case 'netns':
      return `${attach(info)} of network namespace ${info.networkNamespace}`;
    case 'xdp':
      return `xdp interface ${info.interfaceIndex}`;
    case 'tcx':
    case 'netkit':
      return `${attach(info)} interface ${info.interfaceIndex}`;
    case 'netfilter':
      return `netfilter hook ${info.hook} of family ${info.protocolFamily}, priority ${info.priority}`;
    case 'struct_ops':
      return `struct_ops map ${info.mapId}`;
    case 'sockmap':
      return `${attach(info)} map ${info.mapId}`;
    case 'kprobe_multi':
      return `kprobe.multi ${info.count} functions`;
    case 'uprobe_multi':
      return `uprobe.multi ${info.path}: ${info.offsets.length} places`;
    case 'tracing_multi':
      return `${attach(info)} ${info.btfIds.length} functions`;
    case 'perf_event':
      return perfEventTarget(info.event);
    case 'unknown':
      return `link type ${info.type}`;
  }
}

function attach({ attachType }: { readonly attachType: number }): string {
  return attachTypeNames.get(attachType)?.toLowerCase() ?? `attach type ${attachType}`;
}

function perfEventTarget(event: Extract<LinkInfo, { kind: 'perf_event' }>['event']): string {
  switch (event?.kind) {
    case undefined:
      return 'perf event';
    case 'kprobe':
      return `${event.onReturn ? 'kretprobe' : 'kprobe'} ${event.function || `0x${event.address.toString(16)}`}+${event.offset}`;
    case 'uprobe':
      return `${event.onReturn ? 'uretprobe' : 'uprobe'} ${event.path}+${event.offset}`;
    case 'tracepoint':
      return `tracepoint ${event.name}`;
    case 'event':
      return `perf event type ${event.type} config ${event.config}`;
  }
}
