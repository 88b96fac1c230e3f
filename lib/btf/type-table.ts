import { ObjectFormatError } from '../errors/index.js';
import { kindLayouts, kindName, newestKind, typeHeaderWords } from './btf-kind.js';

/** The word's bits 24 to 30; the kernel defined 24 to 28 until the kinds ran out, the rest were zero. */
export function infoKind(info: number): number {
  return (info >>> 24) & 0x7f;
}

/** Bits 0 to 23; until Linux 7.0 bits 16 to 23 were always zero. */
export function infoVlen(info: number): number {
  return info & 0xff_ffff;
}

/** Bit 31: bit-fields in a struct or union, a signed enum, a forward declaration of a union. */
export function infoFlag(info: number): boolean {
  return info >>> 31 === 1;
}

/**
 * Where each type of a BTF starts. Filled in one pass, in steps when a caller must not block: {@link scan} reads some
 * types and tells whether any are left.
 */
export class TypeTable {
  /** The type section in this machine's byte order. */
  readonly words: Uint32Array;
  /** Id of the first type; 1, or one past the base's last. */
  readonly startId: number;
  /** The first word of each type; complete when the scan is. */
  offsets: Uint32Array = new Uint32Array(0);
  count = 0;
  #next = 0;
  readonly #location: { readonly object: string; readonly typesOffset: number };

  constructor(words: Uint32Array, startId: number, location: { object: string; typesOffset: number }) {
    this.words = words;
    this.startId = startId;
    this.#location = location;
  }

  /** Takes over what the addon found in all the types, in place of {@link scan}. */
  adopt({ count, offsets }: { readonly count: number; readonly offsets: Uint32Array }): void {
    this.count = count;
    this.offsets = offsets;
  }

  /** Reads up to `limit` types; true when all are read. */
  scan(limit: number): boolean {
    const { words } = this;
    if (this.count === 0) this.offsets = new Uint32Array(Math.ceil(words.length / typeHeaderWords));
    const { offsets } = this;
    const end = words.length;
    const stop = Math.min(this.count + limit, offsets.length);
    let count = this.count;
    let at = this.#next;
    while (at < end && count < stop) {
      const info = words[at + 1] ?? 0;
      const layout = kindLayouts[(info >>> 24) & 0x7f];
      if (layout === undefined || info >>> 24 === 0) throw this.#unknownKind(at, count, infoKind(info));
      offsets[count++] = at;
      at += typeHeaderWords + layout.fixed + layout.perItem * (info & 0xff_ffff);
    }
    if (at > end) throw this.#truncated(count - 1);
    this.count = count;
    this.#next = at;
    if (at < end) return false;
    this.offsets = offsets.slice(0, count);
    return true;
  }

  error(problem: string, word: number | undefined): ObjectFormatError {
    const { object, typesOffset } = this.#location;
    const offset = word === undefined ? undefined : typesOffset + word * 4;
    return new ObjectFormatError(problem, { object, section: '.BTF', offset });
  }

  #unknownKind(at: number, index: number, kind: number): ObjectFormatError {
    const id = this.startId + index;
    return this.error(
      kind > newestKind
        ? `type ${id} is of kind ${kind}, newer than this reader, which knows kinds up to ${newestKind}`
        : `type ${id} is of kind 0, which no type can be`,
      at + 1,
    );
  }

  #truncated(index: number): ObjectFormatError {
    const at = this.offsets[index] ?? 0;
    const info = this.words[at + 1] ?? 0;
    const missing = `type ${this.startId + index} (${kindName(infoKind(info))}, ${infoVlen(info)} items)`;
    return this.error(`${missing} extends past the end of the types`, at);
  }
}
