import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { probeDevice } from '../kernel/index.js';
import { openPerfEventAsync, type Handle } from '../sys/index.js';
import { openTarget, userPlace, type UserPlaceOptions, type UserTarget } from '../user-space/index.js';

import { closeOnExec } from './perf-event-attach.js';
import type { AttachOptions } from './program.js';

/** Where and how a program is attached in user space. */
export interface UserProbeAttachOptions extends AttachOptions, UserPlaceOptions {
  /** The program or library. Without it the section says which, and where in it. */
  readonly target?: UserTarget | undefined;
  /**
   * Only in that process, threads included; without it in the target's when that is a process, else in every process, those
   * that start later included.
   */
  readonly pid?: number | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.15. */
  readonly cookie?: number | bigint | undefined;
  /**
   * Where in the file a 16-bit counter is, in bytes, that the kernel raises in every process as long as the program is
   * attached: the program asks it whether somebody watches.
   */
  readonly counterOffset?: number | undefined;
}

/** A place that a program is to be attached to. */
export interface UserProbe {
  /** The file that the kernel is told. */
  readonly path: string;
  /** In it, in bytes. */
  readonly offset: number;
  readonly counterOffset: number | undefined;
  readonly pid: number | undefined;
  /** For people: `/usr/bin/bash:readline`. */
  readonly text: string;
}

/** `path:place` taken apart, as sections have it. */
export function splitSection(text: string): { target: string; place: string } {
  const [, target, place] = /^([^:]+):(.+)$/s.exec(text) ?? [];
  if (target === undefined || place === undefined) {
    throw UsageError.invalidValue('target', `must be 'path:function', not ${quote(text)}`);
  }
  return { target, place };
}

/** `path:function+offset` or `path:0x1234`, the offset in the file. */
export function sectionPlace(text: string): UserPlaceOptions & { target: string } {
  const { target, place } = splitSection(text);
  // No function's name begins with a digit.
  return /^(?:0x[0-9a-f]+|\d+)$/i.test(place) ? { target, offset: Number(place) } : { target, function: place };
}

/** Looks up where a program is to be attached: by what the caller says, or else its section. */
export async function locateProbe(
  options: UserProbeAttachOptions,
  section: string | undefined,
  program: string,
): Promise<UserProbe> {
  const { function: name, offset, address, pid, counterOffset } = options;
  checkPid(pid);
  const said = options.target === undefined ? (section === undefined ? undefined : sectionPlace(section)) : undefined;
  const target = options.target ?? said?.target;
  if (target === undefined) {
    throw UsageError.invalidValue(
      'target',
      `the section of program ${quote(program)} names none; give { target: 'path', function: 'name' }`,
    );
  }
  const given = [name, offset, address].some((each) => each !== undefined);
  const file = await openTarget(target);
  try {
    const place = await userPlace(file, given || said === undefined ? { function: name, offset, address } : said);
    const text = `${file.name}:${place.text}`;
    return { path: file.path, offset: place.fileOffset, counterOffset, pid: pid ?? file.pid, text };
  } finally {
    file.close();
  }
}

export function checkPid(pid: number | undefined): void {
  if (pid === undefined || (Number.isInteger(pid) && pid > 0 && pid <= 0x7fff_ffff)) return;
  throw UsageError.invalidValue('pid', `must be a process's number, not ${String(pid)}`);
}

/** Opens the perf event of a probe; nothing runs until a program is bound to it. */
export async function openUserProbe(probe: UserProbe, returns: boolean, target: string): Promise<Handle> {
  const { path, offset, counterOffset, pid } = probe;
  const { type, returnConfig, counterShift } = await probeDevice('uprobe');
  let config = returns ? returnConfig : 0n;
  if (counterOffset !== undefined) {
    if (!(Number.isInteger(counterOffset) && counterOffset > 0 && counterOffset <= 0xffff_ffff)) {
      throw UsageError.invalidValue('counterOffset', `must be a place in the file, not ${String(counterOffset)}`);
    }
    if (counterShift === undefined) {
      throw new UnsupportedError('counters of probes', 'this kernel raises none', { since: '4.20' });
    }
    config |= BigInt(counterOffset) << counterShift;
  }
  try {
    return await openPerfEventAsync({
      fields: { type, config, config2: offset },
      config1Text: path,
      // All of a process's threads have its memory, and so the probe; the kernel follows the process, not the thread.
      pid: pid ?? -1,
      cpu: pid === undefined ? 0 : -1,
      flags: closeOnExec,
      name: target,
    });
  } catch (error) {
    throw probeFailure(error, probe, target);
  }
}

function probeFailure(error: unknown, { path, pid }: UserProbe, target: string): unknown {
  if (!EbpfError.is(error)) return error;
  switch (error.errnoName) {
    case 'ENOENT':
    case 'ENOTDIR':
      return UsageError.invalidValue('target', `the kernel finds no file ${quote(path)}`, { cause: error });
    case 'ESRCH':
      return UsageError.invalidValue('pid', `there is no process ${String(pid)}`, { cause: error });
    case 'EINVAL':
    case 'EILSEQ':
    case 'ENOTSUPP':
    case 'EIO':
      return UsageError.invalidValue(
        'place',
        `the kernel cannot probe ${quote(target)}: no instruction begins there, it is one that cannot be probed, or ` +
          'another probe at the place has another counter',
        { cause: error },
      );
    default:
      return error;
  }
}
