import { BtfKind, kindLayouts, typeHeaderWords } from '../btf-kind.js';
import type { Btf } from '../btf.js';
import { infoKind, infoVlen } from '../type-table.js';

const onlyReference: readonly number[] = [2];
const arrayReferences: readonly number[] = [3, 4];
const none: readonly number[] = [];

/**
 * The records of a BTF, its base's included, in one array, with a number for each name: names are equal when the numbers
 * are. A copy: references can be rewritten in it.
 */
export class TypeGraph {
  readonly words: Uint32Array;
  /** The first word of each type. `void` is a type without a name. */
  readonly at: Uint32Array;

  constructor(btf: Btf) {
    this.at = new Uint32Array(btf.endId);
    const parts: Btf[] = [];
    for (let part: Btf | undefined = btf; part !== undefined; part = part.base) parts.unshift(part);
    this.words = new Uint32Array(parts.reduce((sum, part) => sum + part.table.words.length, typeHeaderWords));
    let start = typeHeaderWords;
    for (const part of parts) {
      this.words.set(part.table.words, start);
      for (let id = part.startId; id < part.endId; id++) {
        this.at[id] = start + (part.table.offsets[id - part.startId] ?? 0);
      }
      start += part.table.words.length;
    }
    this.#numberNames(btf);
    for (let id = btf.startId; id < btf.endId; id++) {
      for (const word of this.references(id)) {
        if (this.word(id, word) < btf.endId) continue;
        throw btf.error(`type ${id} refers to type ${this.word(id, word)}; the ids end at ${btf.endId - 1}`, id);
      }
    }
  }

  kind(id: number): BtfKind {
    return infoKind(this.info(id)) as BtfKind;
  }

  name(id: number): number {
    return this.words[this.at[id] ?? 0] ?? 0;
  }

  info(id: number): number {
    return this.words[(this.at[id] ?? 0) + 1] ?? 0;
  }

  /** Members, values or parameters. */
  count(id: number): number {
    return infoVlen(this.info(id));
  }

  word(id: number, index: number): number {
    return this.words[(this.at[id] ?? 0) + index] ?? 0;
  }

  /** How many words the type has. */
  length(id: number): number {
    const layout = kindLayouts[this.kind(id)] ?? { fixed: 0, perItem: 0 };
    return typeHeaderWords + layout.fixed + layout.perItem * this.count(id);
  }

  /** Which words of the type are ids of others. */
  references(id: number): readonly number[] {
    switch (this.kind(id)) {
      case BtfKind.PTR:
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.FUNC:
      case BtfKind.VAR:
      case BtfKind.DECL_TAG:
        return onlyReference;
      case BtfKind.ARRAY:
        return arrayReferences;
      case BtfKind.FUNC_PROTO:
        return [2, ...this.#everyItem(id, 2, 1)];
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        return this.#everyItem(id, 3, 1);
      case BtfKind.DATASEC:
        return this.#everyItem(id, 3, 0);
      default:
        return none;
    }
  }

  #everyItem(id: number, step: number, word: number): number[] {
    const found: number[] = [];
    for (let item = 0; item < this.count(id); item++) found.push(typeHeaderWords + item * step + word);
    return found;
  }

  hasSameWords(a: number, b: number): boolean {
    const length = this.length(a);
    if (length !== this.length(b)) return false;
    for (let index = 0; index < length; index++) if (this.word(a, index) !== this.word(b, index)) return false;
    return true;
  }

  /** Equal in name, kind, size, and their members' names and places; the members' types are not looked at. */
  hasSameShape(a: number, b: number): boolean {
    if (this.name(a) !== this.name(b) || this.info(a) !== this.info(b) || this.word(a, 2) !== this.word(b, 2)) {
      return false;
    }
    for (let item = 0; item < this.count(a); item++) {
      const member = typeHeaderWords + item * 3;
      if (this.word(a, member) !== this.word(b, member)) return false;
      if (this.word(a, member + 2) !== this.word(b, member + 2)) return false;
    }
    return true;
  }

  hashWords(id: number): number {
    let hash = hashStart;
    const length = this.length(id);
    for (let index = 0; index < length; index++) hash = mixed(hash, this.word(id, index));
    return hash;
  }

  /** Of what {@link hasSameShape} compares. */
  hashShape(id: number): number {
    let hash = mixed(mixed(mixed(hashStart, this.name(id)), this.info(id)), this.word(id, 2));
    for (let item = 0; item < this.count(id); item++) {
      const member = typeHeaderWords + item * 3;
      hash = mixed(mixed(hash, this.word(id, member)), this.word(id, member + 2));
    }
    return hash;
  }

  #numberNames(btf: Btf): void {
    const numbers = new Map<string, number>([['', 0]]);
    const known = new Map<number, number>();
    const number = (offset: number): number => {
      let found = known.get(offset);
      if (found === undefined) {
        const name = btf.string(offset);
        found = numbers.get(name) ?? numbers.size;
        numbers.set(name, found);
        known.set(offset, found);
      }
      return found;
    };
    for (let id = 1; id < btf.endId; id++) {
      const at = this.at[id] ?? 0;
      this.words[at] = number(this.words[at] ?? 0);
      const kind = this.kind(id);
      const named = hasNamedItems.has(kind);
      if (!named) continue;
      const step = kindLayouts[kind]?.perItem ?? 1;
      for (let word = at + typeHeaderWords, left = this.count(id); left > 0; word += step, left--) {
        this.words[word] = number(this.words[word] ?? 0);
      }
    }
  }
}

const hasNamedItems = new Set<number>([
  BtfKind.STRUCT,
  BtfKind.UNION,
  BtfKind.ENUM,
  BtfKind.ENUM64,
  BtfKind.FUNC_PROTO,
]);

const hashStart = 0x811c9dc5 | 0;

function mixed(hash: number, word: number): number {
  const next = Math.imul(hash ^ word, 0x01000193);
  return next ^ (next >>> 15);
}
