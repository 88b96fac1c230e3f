import { SegmentFlag } from '../elf/index.js';
import { UsageError, quote } from '../errors/index.js';

import { findFunction } from './find-function.js';
import type { ProgramFile } from './program-file.js';

/** A place in the code of a program or library: just one of these. */
export interface UserPlaceOptions {
  /**
   * A function's name, `malloc`; with a version, `memcpy@GLIBC_2.2.5`; with an offset in bytes, `malloc+0x10`. Without a
   * version it is the one that programs are linked with today.
   */
  readonly function?: string | undefined;
  /** Where in the file the instruction begins, in bytes. */
  readonly offset?: number | undefined;
  /** The instruction's address as the file was linked: as `nm` and `objdump -d` show it. */
  readonly address?: number | undefined;
}

/** What the kernel is told about a place. */
export interface UserPlace {
  /** In the file on disk, in bytes: of a member of an archive, counted from the archive's start. */
  readonly fileOffset: number;
  /** For people: `malloc+0x10`. */
  readonly text: string;
}

/** `function` or `function+offset`, the offset decimal or, after `0x`, hexadecimal. */
export function splitFunction(text: string): { name: string; offset: number } {
  const [, name = text, offset = '0'] = /^(.+)\+(0x[0-9a-f]+|\d+)$/is.exec(text) ?? [];
  if (name === '' || name.includes('\0') || Number(offset) > 0xffff_ffff) {
    throw UsageError.invalidValue('function', `must be 'function' or 'function+offset', not ${quote(text)}`);
  }
  return { name, offset: Number(offset) };
}

/**
 * Where in the file a place is.
 *
 * @throws {@link UsageError} when it is no place in the file's code, with the nearest names when no function has that name.
 */
export async function userPlace(file: ProgramFile, options: UserPlaceOptions): Promise<UserPlace> {
  const { function: text, offset, address } = options;
  if ([text, offset, address].filter((each) => each !== undefined).length !== 1) {
    throw UsageError.invalidValue('place', 'must be one of { function }, { offset } and { address }');
  }
  if (text !== undefined) return functionPlace(file, text);
  const { image } = file;
  if (address !== undefined) {
    requireNumber('address', address);
    return { fileOffset: file.base + codeOffset(file, 'address', address), text: `0x${address.toString(16)}` };
  }
  const at = offset ?? 0;
  requireNumber('offset', at);
  const linked = image.address(at);
  if (linked === undefined || codeOffset(file, 'offset', linked) !== at) throw noCode(file, 'offset', at);
  return { fileOffset: file.base + at, text: `+0x${at.toString(16)}` };
}

async function functionPlace(file: ProgramFile, text: string): Promise<UserPlace> {
  const { name, offset } = splitFunction(text);
  const found = await findFunction(file.image, name, async () => file.debugSymbols());
  if (found.size > 0 && offset >= found.size) {
    throw UsageError.invalidValue(
      'function',
      `${quote(name)} of ${quote(file.image.name)} has ${found.size} bytes; none of its instructions begins at ${offset}`,
    );
  }
  return { fileOffset: file.base + codeOffset(file, 'function', found.address + offset), text };
}

function codeOffset(file: ProgramFile, path: string, address: number): number {
  const { image } = file;
  const segment = image.segmentOf(address);
  if (segment === undefined || (segment.flags & SegmentFlag.EXECUTE) === 0) throw noCode(file, path, address);
  return address - segment.address + segment.offset;
}

function noCode({ image }: ProgramFile, path: string, value: number): UsageError {
  return UsageError.invalidValue(path, `${quote(image.name)} has no code at 0x${value.toString(16)}`);
}

function requireNumber(path: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw UsageError.invalidValue(path, `must be a safe integer that is not negative, not ${String(value)}`);
}
