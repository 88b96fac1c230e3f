import { readFileSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { elfMachineOf } from '../elf/index.js';
import { EbpfError, UsageError } from '../errors/index.js';

import { FileSource } from './file-source.js';
import { readLibraryCache, type CachedLibrary } from './library-cache.js';
import { bestLibraries } from './library-name.js';

const cachePath = '/etc/ld.so.cache';
/** Where loaders look when nothing says otherwise: glibc's and musl's. */
const usualFolders = ['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'];
const usualPrograms = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin', '/sbin'];

/** Debian's names of architectures, in the folders of their libraries. */
const triplets: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  s390x: 's390x-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
  ppc64: 'powerpc64le-linux-gnu',
};

/**
 * The path of a library by its name, as the loader of this system would find it for a program of this process's
 * architecture: LD_LIBRARY_PATH, the loader's cache, the folders that musl is told, the usual folders.
 *
 * @throws {@link UsageError} with the nearest names.
 */
export async function findLibrary(name: string): Promise<string> {
  const cached = readCache();
  const places = [
    () => inFolders((process.env['LD_LIBRARY_PATH'] ?? '').split(/[:;]/), name),
    () => bestLibraries(cached, name, (library) => library.name).map(({ path }) => path),
    () => inFolders(muslFolders(), name),
    () => inFolders(usual(), name),
  ];
  for (const candidates of places) {
    // Several architectures may have it, and a file of that name may be a linker's script.
    for (const path of candidates()) if (await isLibraryHere(path)) return path;
  }
  throw UsageError.notFound('library', name, new Set(cached.map((library) => library.name)));
}

/** The path of a program by its name: of PATH, then of the usual folders. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...usualPrograms]) {
    // A relative folder would mean something else tomorrow.
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    if (isFile(path)) return path;
  }
  return undefined;
}

function isFile(path: string): boolean {
  try {
    FileSource.open(path).close();
    return true;
  } catch {
    return false;
  }
}

function readCache(): CachedLibrary[] {
  try {
    return readLibraryCache(readFileSync(cachePath), cachePath);
  } catch {
    // musl has none; one that is malformed is the loader's problem, which then looks in the usual folders too.
    return [];
  }
}

/** `/etc/ld-musl-<architecture>.path`: folders in lines or between colons. */
function muslFolders(): string[] {
  const names = filesOf('/etc').filter((name) => /^ld-musl-.+\.path$/.test(name));
  return names.flatMap((name) => {
    try {
      return readFileSync(join('/etc', name), 'utf8').split(/[:\n]/);
    } catch {
      return [];
    }
  });
}

function usual(): string[] {
  const triplet = triplets[process.arch];
  const ofArchitecture = triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`];
  return [...ofArchitecture, ...usualFolders];
}

/** In the folders' order, those of a folder best first. */
function inFolders(folders: readonly string[], name: string): string[] {
  return folders
    .filter((folder) => folder.startsWith('/'))
    .flatMap((folder) => bestLibraries(filesOf(folder), name, (file) => file).map((file) => join(folder, file)));
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** `e_machine` of programs for this processor; undefined when it is not known. */
export function hostMachine(): number | undefined {
  return elfMachineOf(process.arch);
}

async function isLibraryHere(path: string): Promise<boolean> {
  let source: FileSource | undefined;
  try {
    source = FileSource.open(path);
    const header = await source.read(0, 20);
    const [m0, m1, m2, m3, bits, encoding] = header;
    const isElf = m0 === 0x7f && m1 === 0x45 && m2 === 0x4c && m3 === 0x46;
    const view = new DataView(header.buffer, header.byteOffset);
    const machine = hostMachine();
    return isElf && bits === 2 && (machine === undefined || view.getUint16(18, encoding === 1) === machine);
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    return false;
  } finally {
    source?.close();
  }
}
