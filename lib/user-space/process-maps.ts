import { UsageError } from '../errors/index.js';
import { readWhole } from '../kernel/index.js';

/** A part of a process's memory. */
export interface MemoryMapping {
  /** Where it begins, and where it ends: the first address after it. */
  readonly start: number;
  readonly end: number;
  /** `r-xp` */
  readonly permissions: string;
  /** Which byte of the file is at `start`. */
  readonly offset: number;
  /** The file system's device, as `major:minor`, hexadecimal; `00:00` where there is no file. */
  readonly device: string;
  /** Of the file; 0 where there is none. */
  readonly inode: number;
  /** The file's path as the process sees it, `[heap]` and the like, or nothing. */
  readonly path: string;
  /** The file was removed since, or replaced by another one. */
  readonly deleted: boolean;
}

/** The lines of `/proc/<pid>/maps`. Addresses of user space fit a number: they have 57 bits at most, those in use 47. */
export function parseProcessMaps(text: string): MemoryMapping[] {
  const line = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)[^\S\n]*(.*)$/gm;
  return [...text.matchAll(line)].map(
    ([, start = '', end = '', permissions = '', offset = '', device = '', inode = '', rest = '']) => {
      const deleted = rest.endsWith(' (deleted)');
      // The kernel escapes line breaks (show_map_vma of fs/proc/task_mmu.c), and nothing else.
      const path = (deleted ? rest.slice(0, -' (deleted)'.length) : rest).replaceAll('\\012', '\n');
      return {
        start: Number.parseInt(start, 16),
        end: Number.parseInt(end, 16),
        permissions,
        offset: Number.parseInt(offset, 16),
        device,
        inode: Number(inode),
        path,
        deleted,
      };
    },
  );
}

/**
 * What a process has in memory.
 *
 * @throws {@link UsageError} when there is no such process, or it may not be looked at.
 */
export async function processMaps(pid: number, what = 'pid'): Promise<MemoryMapping[]> {
  try {
    // Some releases of Node 20 read only the first page of such a file by readFile.
    return parseProcessMaps(Buffer.from(await readWhole(`/proc/${pid}/maps`)).toString('utf8'));
  } catch (cause) {
    throw processFailure(cause, pid, what);
  }
}

/** Why nothing can be learnt about a process. */
export function processFailure(cause: unknown, pid: number, what: string): UsageError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const gone = code === 'ENOENT' || code === 'ESRCH';
  return UsageError.invalidValue(what, gone ? `there is no process ${pid}` : message, { cause });
}
