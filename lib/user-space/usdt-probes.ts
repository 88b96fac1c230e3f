import {
  ElfMachine,
  SegmentFlag,
  SegmentType,
  SymbolType,
  elfNotes,
  type ElfImage,
  type ElfSegment,
} from '../elf/index.js';
import { ByteReader } from '../binary/index.js';
import { ObjectFormatError, UsageError, quote } from '../errors/index.js';

import type { ProgramFile } from './program-file.js';
import { parseUsdtArguments, type UsdtArgument } from './usdt-arguments.js';
import { openTarget, type UserTarget } from './user-target.js';

/** NT_STAPSDT of the owner `stapsdt` (SystemTap's "User Space Probe Implementation"). */
const NOTE_TYPE = 3;
const NOTE_OWNER = 'stapsdt';
const NOTE_SECTION = '.note.stapsdt';
const BASE_SECTION = '.stapsdt.base';

/** A place in a program where one of its probes is. The same probe may be at several, each with other arguments. */
export interface UsdtPlace {
  readonly provider: string;
  readonly name: string;
  /** As the file was linked. */
  readonly address: number;
  /** In the file, in bytes; of a member of an archive, from the archive's start. */
  readonly fileOffset: number;
  /**
   * Where in the file 16 bits are that the kernel raises as long as somebody is attached, by which the program tells whether
   * to prepare arguments; undefined when the probe has none.
   */
  readonly semaphoreOffset: number | undefined;
  readonly arguments: readonly UsdtArgument[];
}

/** A note as it stands in the file. */
interface Note {
  readonly provider: string;
  readonly name: string;
  readonly arguments: string;
  readonly address: number;
  readonly semaphore: number;
}

/**
 * The probes that a program or library was built with (USDT, `DTRACE_PROBE` of `<sys/sdt.h>`), place by place. Needs no
 * kernel.
 *
 * @throws {@link UsageError} when there is no such program; {@link ObjectFormatError} when it is malformed.
 *
 * @example
 * ```js
 * for (const { provider, name, arguments: given } of await listUsdt('libpython3.11.so.1.0')) console.log(provider, name, given);
 * ```
 */
export async function listUsdt(target: UserTarget): Promise<UsdtPlace[]> {
  const file = await openTarget(target);
  try {
    return await usdtPlaces(file, () => true);
  } finally {
    file.close();
  }
}

/**
 * The places of one probe, `provider:name`.
 *
 * @throws {@link UsageError} with the nearest names when there is none.
 */
export async function findUsdt(file: ProgramFile, probe: string): Promise<UsdtPlace[]> {
  const names = new Set<string>();
  const places = await usdtPlaces(file, ({ provider, name }) => {
    const full = `${provider}:${name}`;
    names.add(full);
    return full === probe;
  });
  if (places.length === 0) throw UsageError.notFound(`probe of ${quote(file.name)}`, probe, names);
  return places;
}

async function usdtPlaces(file: ProgramFile, test: (note: Note) => boolean): Promise<UsdtPlace[]> {
  const { image } = file;
  const notes = (await readNotes(image)).filter(test);
  const variable = await variables(image, notes);
  return notes.map((note) => {
    const { provider, name, address } = note;
    return {
      ...{ provider, name, address },
      fileOffset: file.base + placeOf(image, note),
      semaphoreOffset: note.semaphore === 0 ? undefined : file.base + semaphoreOf(image, note),
      arguments: parseUsdtArguments(note.arguments, { machine: image.machine, address, variable }),
    };
  });
}

async function readNotes(image: ElfImage): Promise<Note[]> {
  const base = image.section(BASE_SECTION)?.address;
  const notes: Note[] = [];
  for (const section of image.sections) {
    if (section.name !== NOTE_SECTION) continue;
    const reader = await image.read(section);
    for (const { owner, type, description, offset } of elfNotes(reader, section.alignment)) {
      if (owner !== NOTE_OWNER || type !== NOTE_TYPE) continue;
      notes.push(readNote(image, description, { base, offset }));
    }
  }
  return notes;
}

/** The addresses of the probe, of the section `.stapsdt.base` and of the semaphore; then provider, name and arguments. */
function readNote(
  image: ElfImage,
  description: Uint8Array,
  { base, offset }: { base: number | undefined; offset: number },
): Note {
  const reader = new ByteReader(description, {
    littleEndian: image.littleEndian,
    object: image.name,
    section: NOTE_SECTION,
  });
  const bytes = image.bits / 8;
  const word = (index: number): number => (bytes === 8 ? reader.u64AsNumber(index * 8) : reader.u32(index * 4));
  const [address, linkedBase, semaphore] = [word(0), word(1), word(2)];
  const provider = reader.string(bytes * 3);
  const nameAt = bytes * 3 + Buffer.byteLength(provider) + 1;
  const name = reader.string(nameAt);
  const given = reader.string(nameAt + Buffer.byteLength(name) + 1);
  if (provider === '' || name === '') throw reader.error(`the probe of the note at offset ${offset} has no name`);
  // Notes are not moved when prelink moves the program; that section is, and says how far.
  const moved = base === undefined || linkedBase === 0 ? 0 : base - linkedBase;
  return {
    ...{ provider, name, arguments: given },
    address: address + moved,
    semaphore: semaphore === 0 ? 0 : semaphore + moved,
  };
}

function placeOf(image: ElfImage, { address, provider, name }: Note): number {
  const segment = image.segmentOf(address);
  if (segment !== undefined && (segment.flags & SegmentFlag.EXECUTE) !== 0) {
    return address - segment.address + segment.offset;
  }
  throw outside(image, `probe ${quote(`${provider}:${name}`)} is at 0x${address.toString(16)}, where there is no code`);
}

/** A semaphore is a variable, and may be among those that are zero in the beginning, which the file does not contain. */
function semaphoreOf(image: ElfImage, { semaphore, provider, name }: Note): number {
  const holds = ({ type, flags, address, memorySize }: ElfSegment): boolean =>
    type === SegmentType.LOAD &&
    (flags & SegmentFlag.WRITE) !== 0 &&
    semaphore >= address &&
    semaphore < address + memorySize;
  const segment = image.segments.find(holds);
  if (segment !== undefined) return semaphore - segment.address + segment.offset;
  throw outside(
    image,
    `the semaphore of probe ${quote(`${provider}:${name}`)} is at 0x${semaphore.toString(16)}, where there are no variables`,
  );
}

function outside(image: ElfImage, problem: string): ObjectFormatError {
  return new ObjectFormatError(problem, { object: image.name, section: NOTE_SECTION });
}

/** Where the variables are that arguments name; symbols are read only when one does. */
async function variables(image: ElfImage, notes: readonly Note[]): Promise<(name: string) => number | undefined> {
  const named = /@[A-Za-z_.][\w.$@]*(?:[-+]\d+)?(?:\(%rip\)|\s|$)/;
  const isX86 = image.machine === ElfMachine.X86_64;
  if (!isX86 || !notes.some((note) => named.test(note.arguments))) return () => undefined;
  const tables = [await image.dynamicSymbols(), await image.symbols()];
  return (name) => {
    for (const table of tables) {
      const [found] = table.find(name).filter(({ type }) => type === SymbolType.OBJECT || type === SymbolType.NOTYPE);
      if (found !== undefined) return found.address;
    }
    return undefined;
  };
}
