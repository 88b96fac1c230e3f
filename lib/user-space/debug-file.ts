import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

import { ElfImage } from '../elf/index.js';
import { EbpfError } from '../errors/index.js';

import { FileSource } from './file-source.js';

/** Where distributions put what they strip from programs. */
const debugFolder = '/usr/lib/debug';

const BYTES_PER_READ = 1 << 20;

/** A file of debugging symbols, open. To be closed. */
export interface DebugFile {
  readonly image: ElfImage;
  close(): void;
}

/**
 * Opens the file that has what was stripped from a program or library: by the build's id, else by the name that the
 * program gives, beside it or in `/usr/lib/debug`. It is taken only when it is of the same build. Undefined when there is
 * none.
 *
 * @param path - Where the program is, to look beside it.
 * @param root - In whose file system to look first: `/proc/<pid>/root` of a process in a container.
 */
export async function openDebugFile(image: ElfImage, path: string, root = ''): Promise<DebugFile | undefined> {
  const buildId = await image.buildId();
  if (buildId !== undefined && buildId.length > 2) {
    const name = join(debugFolder, '.build-id', buildId.slice(0, 2), `${buildId.slice(2)}.debug`);
    for (const candidate of inRoots(root, name)) {
      const found = await openIf(candidate, async ({ image: other }) => (await other.buildId()) === buildId);
      if (found !== undefined) return found;
    }
  }
  const link = await image.debugLink();
  // A name, not a path: it may not lead elsewhere.
  if (link === undefined || link.file === '' || link.file.includes('/')) return undefined;
  const isSame = async ({ image: other, source }: OpenFile): Promise<boolean> =>
    buildId === undefined ? (await checksum(source)) === link.crc : (await other.buildId()) === buildId;
  for (const candidate of placesBeside(path, link.file, root)) {
    const found = await openIf(candidate, isSame);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface OpenFile {
  readonly image: ElfImage;
  readonly source: FileSource;
}

/** A candidate that is not there, is no ELF file or is of another build is none. */
async function openIf(path: string, test: (file: OpenFile) => Promise<boolean>): Promise<DebugFile | undefined> {
  let source: FileSource | undefined;
  try {
    const opened = (source = FileSource.open(path));
    const image = await ElfImage.open(opened);
    if (await test({ image, source: opened })) {
      source = undefined;
      return {
        image,
        close: () => {
          opened.close();
        },
      };
    }
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
  } finally {
    source?.close();
  }
  return undefined;
}

function inRoots(root: string, path: string): string[] {
  return root === '' ? [path] : [root + path, path];
}

/** As gdb looks ("Debugging Information in Separate Files"). */
function placesBeside(path: string, file: string, root: string): string[] {
  let real = path;
  try {
    real = realpathSync(path);
  } catch {
    // It may be a link into another process's file system, which has no path here.
  }
  const folder = dirname(real);
  const inside = root !== '' && folder.startsWith(`${root}/`) ? folder.slice(root.length) : folder;
  const places = [join(folder, file), join(folder, '.debug', file), ...inRoots(root, join(debugFolder, inside, file))];
  // The program itself may have the name.
  return [...new Set(places)].filter((place) => place !== real);
}

/** CRC-32 as in Ethernet, which is what `.gnu_debuglink` has. */
async function checksum(source: FileSource): Promise<number> {
  let sum = 0;
  for (let at = 0; at < source.size; at += BYTES_PER_READ) {
    sum = crc32(await source.read(at, Math.min(BYTES_PER_READ, source.size - at)), sum);
  }
  return sum;
}
