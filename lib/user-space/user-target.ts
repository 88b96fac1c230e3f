import { readlinkSync } from 'node:fs';
import { basename, resolve } from 'node:path';

import { UsageError, quote } from '../errors/index.js';

import { findLibrary, findProgram } from './find-library.js';
import { bestLibraries } from './library-name.js';
import { processFailure, processMaps, type MemoryMapping } from './process-maps.js';
import { ProgramFile } from './program-file.js';

/**
 * A program or library of user space:
 * - a path, `/usr/bin/bash`;
 * - a member of an archive that is not compressed, `/data/app/base.apk!/lib/x86_64/libfoo.so`;
 * - a library's name, `libssl.so.3`, `libssl` or `libc`, as the loader of this system finds it, or a program's in PATH,
 *   `bash`;
 * - what a process runs, in a container or not: `{ pid: 42 }` for its program, `{ pid: 42, library: 'libssl' }` for a
 *   library that it has in memory.
 */
export type UserTarget = string | ProcessTarget;

/** A program that runs, or a library that it has in memory. */
export interface ProcessTarget {
  readonly pid: number;
  /** Its file's name, `libssl.so.3`, `libssl`, or its path as the process sees it; without it, the program. */
  readonly library?: string | undefined;
}

/**
 * Opens a program or library for reading.
 *
 * @throws {@link UsageError} with the nearest names when there is none such; {@link ObjectFormatError} when it is no ELF
 * file or archive.
 */
export async function openTarget(target: UserTarget): Promise<ProgramFile> {
  if (typeof target === 'object') return openOfProcess(target);
  if (typeof target !== 'string' || target === '') {
    throw UsageError.invalidValue('target', "must be a path, a library's name or { pid }");
  }
  const [, archive, member] = /^(.+?)!\/(.+)$/s.exec(target) ?? [];
  if (archive !== undefined && member !== undefined) return ProgramFile.openMember(resolve(archive), member);
  if (target.includes('/')) return ProgramFile.open(resolve(target));
  const isLibrary = /\.so(?:\.|$)/.test(target);
  const program = isLibrary ? undefined : findProgram(target);
  return ProgramFile.open(program ?? (await findLibrary(target)));
}

async function openOfProcess({ pid, library }: ProcessTarget): Promise<ProgramFile> {
  if (!Number.isInteger(pid) || pid <= 0) {
    throw UsageError.invalidValue('target.pid', `must be a process's number, not ${String(pid)}`);
  }
  const root = `/proc/${pid}/root`;
  if (library === undefined) {
    const path = `/proc/${pid}/exe`;
    let name: string;
    try {
      name = readlinkSync(path);
    } catch (cause) {
      throw processFailure(cause, pid, 'target.pid');
    }
    return ProgramFile.open(path, { root, name, pid });
  }
  const mapping = await findMapping(pid, library);
  // A file that is no longer there can still be opened as what it is mapped as.
  const range = [mapping.start, mapping.end].map((address) => address.toString(16)).join('-');
  const path = mapping.deleted ? `/proc/${pid}/map_files/${range}` : `${root}${mapping.path}`;
  return ProgramFile.open(path, { root, name: mapping.path, pid });
}

async function findMapping(pid: number, library: string): Promise<MemoryMapping> {
  const files = new Map<string, MemoryMapping>();
  for (const mapping of await processMaps(pid, 'target.pid')) {
    if (mapping.inode !== 0 && mapping.path.startsWith('/') && !files.has(mapping.path))
      files.set(mapping.path, mapping);
  }
  const exact = files.get(library);
  if (exact !== undefined) return exact;
  const nameOf = ({ path }: MemoryMapping): string => basename(path);
  const [found, other] = library.includes('/') ? [] : bestLibraries(files.values(), library, nameOf);
  if (found === undefined) {
    const names = new Set([...files.values()].map((file) => (library.includes('/') ? file.path : nameOf(file))));
    throw UsageError.notFound(`file that process ${pid} has in memory`, library, names);
  }
  if (other === undefined) return found;
  throw UsageError.invalidValue(
    'target.library',
    `process ${pid} has several: ${quote(found.path)}, ${quote(other.path)}; give the path of one`,
  );
}
