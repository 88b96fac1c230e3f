import { BtfKind, typeHeaderWords } from './btf-kind.js';
import type { StringTable } from './names.js';
import { infoFlag, infoKind, infoVlen } from './type-table.js';

const wordsPerMember = 3;

/** The members of a struct or union as the record has them: nothing is made of them, and no name is decoded. */
export class MemberList {
  readonly count: number;
  readonly #words: Uint32Array;
  readonly #start: number;
  readonly #withSizes: boolean;

  private constructor(words: Uint32Array, at: number, info: number) {
    this.#words = words;
    this.#start = at + typeHeaderWords;
    this.#withSizes = infoFlag(info);
    this.count = infoVlen(info);
  }

  /** Of the record at word `at`; undefined when it is no struct or union. */
  static of(words: Uint32Array, at: number): MemberList | undefined {
    const info = words[at + 1] ?? 0;
    const kind = infoKind(info);
    return kind === BtfKind.STRUCT || kind === BtfKind.UNION ? new MemberList(words, at, info) : undefined;
  }

  /** A string offset. */
  name(index: number): number {
    return this.#words[this.#start + index * wordsPerMember] ?? 0;
  }

  /**
   * The first member from `index` on whose name may have `length` bytes or none, or is not in `strings`; {@link count} when there
   * is none. One loop for what most members are passed over by: structs of a kernel have hundreds, looked at once.
   */
  ofNameLength(length: number, { bytes, start }: StringTable, index: number): number {
    const words = this.#words;
    for (let at = this.#start + index * wordsPerMember; index < this.count; index++, at += wordsPerMember) {
      const name = (words[at] ?? 0) - start;
      if (name < 0 || bytes[name + length] === 0 || bytes[name] === 0) return index;
    }
    return this.count;
  }

  type(index: number): number {
    return this.#words[this.#start + index * wordsPerMember + 1] ?? 0;
  }

  bitOffset(index: number): number {
    const offset = this.#words[this.#start + index * wordsPerMember + 2] ?? 0;
    return this.#withSizes ? offset & 0xff_ffff : offset;
  }

  /** Of a bit-field; 0 for other members. */
  bitSize(index: number): number {
    return this.#withSizes ? (this.#words[this.#start + index * wordsPerMember + 2] ?? 0) >>> 24 : 0;
  }
}
