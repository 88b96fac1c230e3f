import { AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { features, supposed, uprobeMultiOfProcess } from '../kernel/index.js';
import { createLink, type Handle } from '../sys/index.js';

import { attachToPerfEvent } from './perf-event-attach.js';
import type { AttachmentWithoutLink } from './program.js';
import { openUserProbe } from './user-probe.js';

/** BPF_F_UPROBE_MULTI_RETURN of include/uapi/linux/bpf.h */
const returnFlag = 1;

/** MAX_UPROBE_MULTI_CNT of kernel/trace/bpf_trace.c */
const most = 1 << 20;

/** A place that a program is to be attached to, with others of the same file. */
export interface PlaceToAttach {
  readonly fileOffset: number;
  /** For people. */
  readonly text: string;
  /** 0 for none. */
  readonly cookie: bigint;
  /** Where in the file a counter is that is raised meanwhile; 0 for none. */
  readonly counterOffset: number;
}

/** What is attached where. */
export interface LinkToPlaces {
  readonly program: Handle;
  readonly attachType: AttachType;
  /** The file that the kernel is told. */
  readonly path: string;
  readonly pid: number | undefined;
  readonly places: readonly PlaceToAttach[];
  /** Whether it is the functions' return that counts. */
  readonly atReturn: boolean;
  /** For people: `uprobe.multi /usr/bin/bash:readline`. */
  readonly target: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Attaches a program to many places of a file: by one link, or before Linux 6.6 by a perf event for each. When it fails or
 * is given up, none of them stays.
 */
export async function linkToPlaces(options: LinkToPlaces): Promise<Handle | AttachmentWithoutLink> {
  const { places, attachType, pid, signal } = options;
  if (places.length > most) {
    throw UsageError.invalidValue('functions', `${places.length} places are more than a link takes, ${most}`);
  }
  if (attachType === AttachType.TRACE_UPROBE_SESSION) return makeLink(options);
  // It was loaded for perf events.
  if (attachType === 0) return attachEach(options);
  const { supported } = await supposed(features.uprobeMulti());
  signal?.throwIfAborted();
  if (!supported) return attachEach(options);
  if (pid !== undefined) await requireProcesses(pid);
  return makeLink(options);
}

/** A program that was loaded for such links cannot be attached otherwise. */
async function requireProcesses(pid: number): Promise<void> {
  const { supported, reason } = await supposed(uprobeMultiOfProcess());
  if (supported) return;
  throw new UnsupportedError('links to many places of one process', `${reason}; attach without pid ${pid}`, {
    since: '6.10',
  });
}

async function makeLink(options: LinkToPlaces): Promise<Handle> {
  const { program, attachType, path, pid, places, atReturn } = options;
  const wide = (values: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
  const buffers = {
    'uprobe_multi.offsets': wide(places.map(({ fileOffset }) => BigInt(fileOffset))),
    ...(places.some(({ cookie }) => cookie !== 0n)
      ? { 'uprobe_multi.cookies': wide(places.map(({ cookie }) => cookie)) }
      : {}),
    ...(places.some(({ counterOffset }) => counterOffset !== 0)
      ? { 'uprobe_multi.ref_ctr_offsets': wide(places.map(({ counterOffset }) => BigInt(counterOffset))) }
      : {}),
  };
  const fields = {
    'uprobe_multi.cnt': places.length,
    'uprobe_multi.flags': atReturn ? returnFlag : 0,
    'uprobe_multi.pid': pid ?? 0,
  };
  try {
    return await createLink({ program, attachType, fields, buffers, texts: { 'uprobe_multi.path': path } });
  } catch (error) {
    throw await linkFailure(error, options);
  }
}

async function linkFailure(error: unknown, { attachType, path, pid, target }: LinkToPlaces): Promise<unknown> {
  if (!EbpfError.is(error)) return error;
  switch (error.errnoName) {
    case 'EBADF':
    case 'ENOENT':
    case 'ENOTDIR':
      return UsageError.invalidValue('target', `the kernel finds no file ${quote(path)}`, { cause: error });
    case 'ESRCH':
      return UsageError.invalidValue('pid', `there is no process ${String(pid)}`, { cause: error });
    case 'EINVAL':
    case 'ENOTSUPP':
    case 'ENOTSUP':
    case 'EOPNOTSUPP': {
      const session =
        attachType === AttachType.TRACE_UPROBE_SESSION ? await supposed(features.uprobeSession()) : undefined;
      if (session?.supported === false) {
        return new UnsupportedError('uprobe sessions', session.reason, { since: '6.13', cause: error });
      }
      return UsageError.invalidValue(
        'functions',
        `the kernel cannot probe every place of ${quote(target)}: at one no instruction begins, or one that cannot be ` +
          'probed, or another probe there has another counter',
        { cause: error },
      );
    }
    default:
      return error;
  }
}

/** By a perf event for each place, as kernels before 6.6 do it. The order of the places is that in which they are attached. */
export async function attachEach(options: LinkToPlaces): Promise<AttachmentWithoutLink> {
  const { program, path, pid, places, atReturn, target, signal } = options;
  const handles: Handle[] = [];
  const detach = async (): Promise<void> => closeEach(handles);
  try {
    for (const { fileOffset, cookie, counterOffset } of places) {
      signal?.throwIfAborted();
      const probe = { path, offset: fileOffset, counterOffset: counterOffset || undefined, pid, text: target };
      const event = await openUserProbe(probe, atReturn, target);
      handles.push(await attachToPerfEvent(program, event, cookie === 0n ? undefined : cookie));
    }
  } catch (error) {
    await detach();
    throw error;
  }
  const withoutLink = {
    feature: 'links to many places in user space',
    explanation: `this kernel attached the program to each place of ${target} by itself`,
    since: '6.6',
  };
  return { withoutLink, detach, survivesProcess: false };
}

/** A close can wait for the kernel, so some go at once; all of thousands would hold the event loop, and the threads of others' work. */
const closesAtOnce = 32;

async function closeEach(handles: readonly Handle[]): Promise<void> {
  const failures: unknown[] = [];
  for (let start = 0; start < handles.length; start += closesAtOnce) {
    const some = handles.slice(start, start + closesAtOnce);
    const closed = await Promise.allSettled(some.map(async (handle) => handle.closeAsync()));
    failures.push(...closed.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])));
  }
  if (failures.length > 0) throw failures[0];
}
