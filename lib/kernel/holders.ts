import { readFile, readdir, readlink } from 'node:fs/promises';

import { LinkType } from '../abi/index.js';
import { EbpfError } from '../errors/index.js';

import { kernelVersionCode } from './kernel-version.js';
import { listObjects } from './list-objects.js';
import { requireLinux } from './require-linux.js';

/** A process that has an object open. */
export interface Holder {
  readonly pid: number;
  /** The process's name: at most 15 characters. */
  readonly command: string;
}

/** Which processes have which objects open, by the objects' ids; by ascending pid. */
export interface Holders {
  readonly maps: ReadonlyMap<number, readonly Holder[]>;
  readonly programs: ReadonlyMap<number, readonly Holder[]>;
  readonly links: ReadonlyMap<number, readonly Holder[]>;
}

/** Descriptors that are looked at at once. */
const AT_ONCE = 32;

/** The links of descriptors that may be of BPF: `anon_inode:bpf-map`, `anon_inode:bpf-prog`, `anon_inode:bpf_link`. */
const ofBpf = /^anon_inode:bpf/;
const ofBpfButLinks = /^anon_inode:bpf(?!.link)/;

/** KERNEL_VERSION(6, 17, 0), and of the first version that was seen to be mended. */
const panickingKernels = [0x06_11_00, 0x07_03_00] as const;

/** The lines of `/proc/<pid>/fdinfo/<fd>` that name an object (`bpf_map_show_fdinfo` and the like in kernel/bpf/syscall.c). */
const idLine = /^(map|prog|link)_id:\s+(\d+)$/m;

/**
 * Which processes of this machine have maps, programs and links open, as far as this process may look: all of them as root, else
 * those of its user. An object without a holder lives by a pin, a link, a program or another map. Looks through
 * `/proc/<pid>/fd`, off the event loop. On Linux 6.17 to 7.2 `links` is empty while there are links to many kernel functions
 * (`kprobe.multi`): to read what such a kernel tells of them may make it panic.
 *
 * @throws {@link UnsupportedError} elsewhere than on Linux.
 *
 * @example
 * ```js
 * const { programs } = await holders();
 * for (const { id, name } of listPrograms()) console.log(name, programs.get(id)?.map(({ command }) => command));
 * ```
 */
export async function holders(): Promise<Holders> {
  requireLinux();
  const found = {
    map: new Map<number, Holder[]>(),
    prog: new Map<number, Holder[]>(),
    link: new Map<number, Holder[]>(),
  };
  const ofThese = mayReadLinks() ? ofBpf : ofBpfButLinks;
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of processes.sort((a, b) => a - b)) {
    const held = await heldBy(pid, ofThese);
    if (held.size === 0) continue;
    const command = (await quietly(async () => readFile(`/proc/${pid}/comm`, 'utf8')))?.trimEnd();
    // It may have ended meanwhile, and then holds nothing.
    if (command === undefined) continue;
    for (const [, kind, id] of held.values()) {
      const objects = found[kind as keyof typeof found];
      objects.set(Number(id), [...(objects.get(Number(id)) ?? []), { pid, command }]);
    }
  }
  return { maps: found.map, programs: found.prog, links: found.link };
}

/** What a process has open, each object once, by the line that names it. */
async function heldBy(pid: number, wanted: RegExp): Promise<ReadonlyMap<string, RegExpExecArray>> {
  const folder = `/proc/${pid}`;
  const descriptors = (await quietly(async () => readdir(`${folder}/fd`))) ?? [];
  const held = new Map<string, RegExpExecArray>();
  for (let start = 0; start < descriptors.length; start += AT_ONCE) {
    const some = descriptors.slice(start, start + AT_ONCE);
    const lines = await Promise.all(some.map(async (descriptor) => objectAt(folder, descriptor, wanted)));
    for (const line of lines) if (line !== null) held.set(line[0], line);
  }
  return held;
}

async function objectAt(folder: string, descriptor: string, wanted: RegExp): Promise<RegExpExecArray | null> {
  const target = await quietly(async () => readlink(`${folder}/fd/${descriptor}`));
  if (target === undefined || !wanted.test(target)) return null;
  const info = await quietly(async () => readFile(`${folder}/fdinfo/${descriptor}`, 'utf8'));
  return info === undefined ? null : idLine.exec(info);
}

/** Processes end and close while they are looked at, and some are not this user's to look at. */
async function quietly<Value>(read: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await read();
  } catch {
    return undefined;
  }
}

/**
 * bpf_kprobe_multi_show_fdinfo (kernel/trace/bpf_trace.c), of 6.17, reads the cookies of a link that was made without any through a
 * null pointer. Which links these are the kernel does not tell.
 */
function mayReadLinks(): boolean {
  const version = kernelVersionCode();
  const [first, mended] = panickingKernels;
  if (version !== undefined && (version < first || version >= mended)) return true;
  try {
    return listObjects('link').every(({ type }) => type !== LinkType.KPROBE_MULTI);
  } catch (error) {
    // Who may not list links may still open other processes' descriptions of them.
    if (EbpfError.is(error)) return false;
    throw error;
  }
}
