/**
 * Strings in events repeat: command names, file names, interfaces. Making one costs 100 ns and more, finding it again a
 * few, so strings of up to 64 bytes are remembered under their own bytes, in a table of fixed size that newer strings
 * overwrite.
 */
const SLOTS = 1024;
const SLOT_SHIFT = 22;
const MOST_WORDS = 16;

interface Cache {
  /** The strings' bytes as 32-bit words, MOST_WORDS a slot. */
  readonly words: Int32Array;
  readonly counts: Uint8Array;
  readonly strings: string[];
}

let cache: Cache | undefined;

// The words of the string being looked up; only one is at a time.
const wanted = new Int32Array(MOST_WORDS);
const scratch = Buffer.alloc(MOST_WORDS * 4);

/** The bytes up to the first NUL, or all `length`, as UTF-8. */
export function readString(view: DataView, offset: number, length: number): string {
  const wholeWords = Math.min(length >>> 2, MOST_WORDS);
  let hash = 0;
  let count = 0;
  let ended = false;
  while (count < wholeWords) {
    // Little-endian on every machine, so that the first character is the lowest byte.
    let word = view.getInt32(offset + count * 4, true);
    // The lowest set bit of `zero` is the top bit of the first NUL (Lamport's test).
    const zero = (word - 0x01010101) & ~word & 0x80808080;
    if (zero !== 0) {
      word &= ((zero & -zero) >>> 7) - 1;
      ended = true;
    }
    wanted[count++] = word;
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
    if (ended) break;
  }
  if (!ended && length !== count * 4) {
    if (length >= MOST_WORDS * 4) return longString(view, offset, length);
    const word = lastWord(view, offset + count * 4, length & 3);
    if (word !== 0) {
      wanted[count++] = word;
      hash = Math.imul(hash ^ word, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
  }
  return count === 0 ? '' : remembered(hash, count);
}

/** One to three bytes at the end, up to a NUL. */
function lastWord(view: DataView, offset: number, length: number): number {
  let word = 0;
  for (let index = 0; index < length; index++) {
    const byte = view.getUint8(offset + index);
    if (byte === 0) break;
    word |= byte << (index * 8);
  }
  return word;
}

function remembered(hash: number, count: number): string {
  cache ??= {
    words: new Int32Array(SLOTS * MOST_WORDS),
    counts: new Uint8Array(SLOTS),
    strings: new Array<string>(SLOTS).fill(''),
  };
  // The upper bits of a product depend on all bits of its factors.
  const slot = Math.imul(hash, 0x85ebca6b) >>> SLOT_SHIFT;
  if (isAt(cache, slot, count)) return cache.strings[slot] ?? '';
  const other = slot ^ 1;
  if (isAt(cache, other, count)) return cache.strings[other] ?? '';
  // Two strings that fall into one slot and are read in turn shall not drive each other out.
  odd = !odd;
  return remember(cache, odd ? slot : other, count);
}

let odd = false;

function isAt({ words, counts }: Cache, slot: number, count: number): boolean {
  if (counts[slot] !== count) return false;
  const base = slot * MOST_WORDS;
  for (let index = 0; index < count; index++) {
    if (words[base + index] !== wanted[index]) return false;
  }
  return true;
}

function remember({ words, counts, strings }: Cache, slot: number, count: number): string {
  for (let index = 0; index < count; index++) {
    const word = wanted[index] ?? 0;
    words[slot * MOST_WORDS + index] = word;
    scratch.writeInt32LE(word, index * 4);
  }
  counts[slot] = count;
  // No byte but the last word's upper ones is NUL.
  const unused = Math.clz32(wanted[count - 1] ?? 0) >>> 3;
  const made = scratch.toString('utf8', 0, count * 4 - unused);
  strings[slot] = made;
  return made;
}

function longString(view: DataView, offset: number, length: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + offset, length);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? length : end);
}
