import { setImmediate as nextTurn } from 'node:timers/promises';

import { SegmentFlag, SymbolType, type DefinedSymbol, type ElfSymbolTable } from '../elf/index.js';
import { UsageError, quote } from '../errors/index.js';
import { globTest } from '../kernel/index.js';

import type { ProgramFile } from './program-file.js';
import { userPlace, type UserPlace, type UserPlaceOptions } from './user-place.js';

/**
 * Places in the code of a program or library: a function, `malloc` or `malloc+0x10`; functions whose names fit a pattern,
 * `SSL_*`, where `*` stands for any characters and `?` for one, or a regular expression, which is looked for in names;
 * or one place, `{ function }`, `{ offset }` or `{ address }`.
 */
export type UserPlaceChoice = string | RegExp | UserPlaceOptions;

/** Looking a name up takes a millisecond in a large program. */
const NAMES_PER_TURN = 8;

/**
 * The places that are chosen, each once, in the order of the choices.
 *
 * @throws {@link UsageError} when a choice stands for none, with the nearest names.
 */
export async function choosePlaces(
  file: ProgramFile,
  choices: readonly UserPlaceChoice[],
  signal?: AbortSignal,
): Promise<UserPlace[]> {
  const places = new Map<number, UserPlace>();
  for (const [index, choice] of choices.entries()) {
    if (index % NAMES_PER_TURN === NAMES_PER_TURN - 1) await nextTurn();
    signal?.throwIfAborted();
    for (const place of await placesOf(file, choice, signal)) {
      if (!places.has(place.fileOffset)) places.set(place.fileOffset, place);
    }
  }
  return [...places.values()];
}

async function placesOf(file: ProgramFile, choice: UserPlaceChoice, signal?: AbortSignal): Promise<UserPlace[]> {
  if (choice instanceof RegExp) {
    // Its own position must play no part.
    const plain = new RegExp(choice.source, choice.flags.replace(/[gy]/g, ''));
    return matching(file, String(choice), (name) => plain.test(name), signal);
  }
  if (typeof choice !== 'string') return [await userPlace(file, choice)];
  if (!/[*?]/.test(choice)) return [await userPlace(file, { function: choice })];
  return matching(file, quote(choice), globTest(choice), signal);
}

async function matching(
  file: ProgramFile,
  pattern: string,
  test: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<UserPlace[]> {
  const { image } = file;
  const all = await image.symbols();
  const tables: (ElfSymbolTable | undefined)[] = [await image.dynamicSymbols(), all];
  // Those of a program that was stripped are elsewhere.
  if (all.length === 0) tables.push(await file.debugSymbols());
  const places: UserPlace[] = [];
  for (const table of tables) {
    for (const symbol of (await table?.functions(test, signal)) ?? []) {
      const segment = symbol.type === SymbolType.FUNC ? image.segmentOf(symbol.address) : undefined;
      if (segment === undefined || (segment.flags & SegmentFlag.EXECUTE) === 0) continue;
      const fileOffset = file.base + symbol.address - segment.address + segment.offset;
      places.push({ fileOffset, text: nameOf(symbol) });
    }
  }
  if (places.length > 0) return places;
  throw new UsageError(`no function of ${quote(file.name)} matches ${pattern}`, { code: 'ERR_EBPF_NOT_FOUND' });
}

function nameOf({ name, version, isDefault }: DefinedSymbol): string {
  return version === undefined || isDefault ? name : `${name}@${version}`;
}
