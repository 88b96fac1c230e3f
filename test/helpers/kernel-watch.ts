// What a run of tests leaves in the kernel, and which file left it. Without Jest, since VMs use it as well.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { ProgramType } from '../../lib/abi/index.js';
import { holders, listObjects, programTypeName } from '../../lib/kernel/index.js';
import { objectInfo, openById, type LinkInfo, type MapInfo, type ProgramInfo } from '../../lib/sys/index.js';
import { kernelState, runVariable } from './kernel-state.js';

/** Something that was not there before. */
export interface Leftover {
  /** In words: `program 12 "handle_exec" (tracepoint)`. */
  readonly what: string;
  /** After which file it was first seen. */
  readonly file: string;
}

/**
 * Compares the kernel with how it was. Objects that processes of others hold are theirs, with all that these objects use; of what
 * nobody holds the kernel does not tell who made it: what others pin or attach for good during the run is taken for a leftover.
 */
export class KernelWatch {
  readonly #before: ReadonlySet<string>;
  readonly #seen = new Map<string, string>();
  #file = '(no test file)';

  private constructor(before: Iterable<string>) {
    this.#before = new Set(before);
  }

  /** Takes what there is. */
  static async start(): Promise<KernelWatch> {
    process.env[runVariable] ??= randomUUID();
    return new KernelWatch((await kernelState()).keys());
  }

  /** After each test file; a few milliseconds. */
  async after(file: string): Promise<void> {
    this.#file = file;
    await this.#new();
  }

  /** What is left, once all that is about to go had `patienceMs` for it. */
  async left(patienceMs: number): Promise<Leftover[]> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const found = await this.#new();
      const words = found.size === 0 ? found : await withoutOthers(found);
      if (words.size === 0 || Date.now() >= deadline) {
        return [...words].map(([key, what]) => ({ what, file: this.#seen.get(key) ?? this.#file }));
      }
      await sleep(100);
    }
  }

  async #new(): Promise<Map<string, string>> {
    const found = new Map([...(await kernelState())].filter(([key]) => !this.#before.has(key)));
    for (const key of found.keys()) if (!this.#seen.has(key)) this.#seen.set(key, this.#file);
    return found;
  }
}

/** Leaves out what is not of these tests, and has objects described. */
async function withoutOthers(found: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const info = {
    link: byId(listObjects('link')),
    program: byId(listObjects('program')),
    map: byId(listObjects('map')),
  };
  const theirs = new Set<string>(['btf 0']);
  const addMap = (id: number): void => {
    const map = info.map.get(id);
    theirs.add(`map ${id}`).add(`btf ${map?.btfId ?? 0}`);
  };
  const addProgram = (id: number): void => {
    const program = info.program.get(id);
    theirs.add(`program ${id}`).add(`btf ${program?.btfId ?? 0}`);
    for (const map of program?.mapIds ?? []) addMap(map);
  };
  const held = await holders();
  const pids = [...found.keys()].flatMap((key) => /^process (\d+) /u.exec(key)?.[1] ?? []).map(Number);
  const ours = new Set([process.pid, ...pids]);
  const heldByOthers = (of: (typeof held)['maps']): number[] =>
    [...of].filter(([, processes]) => processes.some(({ pid }) => !ours.has(pid))).map(([id]) => id);
  for (const id of heldByOthers(held.maps)) addMap(id);
  for (const id of heldByOthers(held.programs)) addProgram(id);
  for (const id of heldByOthers(held.links)) {
    theirs.add(`link ${id}`);
    addProgram(info.link.get(id)?.programId ?? 0);
  }
  for (const program of info.program.values()) if (isOfManager(program)) addProgram(program.id);

  const words = new Map<string, string>();
  for (const [key, plain] of found) {
    const [kind = '', id = ''] = key.split(' ');
    if (theirs.has(key) || (kind === 'btf' && isOfKernel(Number(id)))) continue;
    if (kind === 'cgroup' && isOfOtherRun(id, ours)) continue;
    words.set(key, describe(kind, Number(id), info) ?? plain);
  }
  return words;
}

/** What decides about the devices of a container or a service: attached for good, held by nobody, and made by systemd and runc at any time. */
function isOfManager({ type, name }: ProgramInfo): boolean {
  return name.startsWith('sd_') || (type === (ProgramType.CGROUP_DEVICE as number) && name === '');
}

/** Cgroups of tests end in the number of their process: another run may be under way. */
function isOfOtherRun(path: string, ours: ReadonlySet<number>): boolean {
  const pid = Number(/node-ebpf-[a-z]+-(\d+)/u.exec(path)?.[1] ?? 0);
  return pid !== 0 && !ours.has(pid) && existsSync(`/proc/${pid}`);
}

/** Of modules that were inserted meanwhile, which tests cause and nothing takes back. */
function isOfKernel(id: number): boolean {
  try {
    using handle = openById('btf', id);
    return objectInfo(handle, 'btf').kernel;
  } catch {
    return false;
  }
}

function byId<Info extends { readonly id: number }>(list: readonly Info[]): Map<number, Info> {
  return new Map(list.map((info) => [info.id, info]));
}

function describe(
  kind: string,
  id: number,
  info: { link: Map<number, LinkInfo>; program: Map<number, ProgramInfo>; map: Map<number, MapInfo> },
): string | undefined {
  const link = kind === 'link' ? info.link.get(id) : undefined;
  if (link !== undefined) return `link ${id} (${link.kind}) of program ${link.programId}`;
  const program = kind === 'program' ? info.program.get(id) : undefined;
  if (program !== undefined) return `program ${id} "${program.name}" (${programTypeName(program.type)})`;
  const map = kind === 'map' ? info.map.get(id) : undefined;
  return map === undefined ? undefined : `map ${id} "${map.name}" (type ${map.type})`;
}
