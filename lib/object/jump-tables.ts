import { INSTRUCTION_SIZE } from '../asm/index.js';
import type { ByteReader } from '../binary/index.js';
import type { ElfFile, ElfSection, ElfSymbol } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { FunctionRange } from './function-ranges.js';

/** Where clang 22 and later put where `switch` may go to, with -mcpu=v4. */
export const JUMP_TABLE_SECTION = '.jumptables';

/** A target is a byte offset in the function's section. */
export const JUMP_TARGET_SIZE = 8;

/** Reads jump tables: each symbol of the section is one. */
export class JumpTables {
  readonly #elf: ElfFile;
  readonly #section: ElfSection | undefined;
  readonly #reader: ByteReader | undefined;
  readonly #read = new Map<string, readonly number[]>();
  /** Bytes that may still be read: of tables that do not overlap there are no more than the section has. */
  #left: number;

  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#section = elf.section(JUMP_TABLE_SECTION);
    this.#reader = this.#section === undefined ? undefined : elf.reader(this.#section);
    this.#left = this.#reader?.length ?? 0;
  }

  has(section: ElfSection): boolean {
    return section === this.#section;
  }

  /**
   * Where the table of that symbol leads in a function, in bytes from its start.
   *
   * @throws ObjectFormatError when it leads elsewhere.
   */
  targets(symbol: ElfSymbol, { key, offset: start, size }: FunctionRange): readonly number[] {
    const known = this.#read.get(`${symbol.index} ${key}`);
    if (known !== undefined) return known;
    const name = quote(symbol.name);
    const reader = this.#reader;
    if (symbol.size % JUMP_TARGET_SIZE !== 0 || symbol.value % JUMP_TARGET_SIZE !== 0) {
      const problem = `jump table ${name} of ${symbol.size} bytes is no row of targets of ${JUMP_TARGET_SIZE} bytes`;
      throw this.#error(problem, symbol.value);
    }
    if (reader === undefined || symbol.value + symbol.size > reader.length) {
      throw this.#error(
        `jump table ${name} of ${symbol.size} bytes exceeds the section's ${reader?.length ?? 0}`,
        symbol.value,
      );
    }
    this.#left -= symbol.size;
    if (this.#left < 0) throw this.#error('its tables overlap, as those of no compiler do', symbol.value);
    const targets: number[] = [];
    for (let at = symbol.value; at < symbol.value + symbol.size; at += JUMP_TARGET_SIZE) {
      const target = reader.u64AsNumber(at) - start;
      if (target < 0 || target >= size || target % INSTRUCTION_SIZE !== 0) {
        throw this.#error(
          `jump table ${name} leads to ${target + start}, which is no instruction of function ${quote(key)}`,
          at,
        );
      }
      targets.push(target);
    }
    this.#read.set(`${symbol.index} ${key}`, targets);
    return targets;
  }

  #error(problem: string, offset: number): ObjectFormatError {
    return new ObjectFormatError(problem, { object: this.#elf.name, section: JUMP_TABLE_SECTION, offset });
  }
}
