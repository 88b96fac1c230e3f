/** The golden ratio of 2^32 (Fibonacci hashing), of which each word of a name is multiplied by another odd multiple. */
const hashFactor = 0x9e3779b1 | 0;
const underscores = 0x5f5f5f5f;

/** Bytes of a name that the addon's index goes by: HashName of native/type_index.cc gives the same numbers. */
export const hashedByAddon = 24;
/** Those of other indexes: in a crafted file all names may begin alike, or be suffixes of one long string. */
export const mostHashed = 256;

/**
 * A hash of the name at `from`, up to its NUL or its first three underscores: so a name and its flavours have the same. Of at
 * most `most` bytes, a multiple of four. Its highest bits are the best mixed ones.
 */
export function hashName(strings: DataView, from: number, most: number): number {
  let hash = 0;
  let factor = hashFactor;
  let run = 0;
  for (let at = from; at < from + most; at += 4) {
    let word = at + 4 <= strings.byteLength ? strings.getInt32(at, true) : lastWord(strings, at);
    const zeros = zeroBytes(word);
    // The bytes after the NUL are the next name's.
    if (zeros !== 0) word &= ((zeros & -zeros) >>> 7) - 1;
    const marks = zeroBytes(word ^ underscores) >>> 7;
    // An underscore counts for nothing: it may be the first of three that end in the next word.
    word ^= Math.imul(marks, 0x5f);
    // A bit for each byte, from the last two of the word before on; then for each of these whether three begin there.
    run = (run >>> 4) | ((Math.imul(marks, 0x01020408) >>> 22) & 0x3c);
    const three = run & (run >>> 1) & (run >>> 2);
    if (three !== 0) word &= (three & 7) === 0 ? 0xff : 0;
    hash ^= Math.imul(word, factor);
    factor = (factor + 2 * hashFactor) | 0;
    if ((zeros | three) !== 0) break;
  }
  return hash;
}

/** The highest bit of each byte that is zero. */
function zeroBytes(word: number): number {
  return ~(((word & 0x7f7f7f7f) + 0x7f7f7f7f) | word) & 0x80808080;
}

function lastWord(strings: DataView, at: number): number {
  let word = 0;
  for (let index = 0; at + index < strings.byteLength; index++) word |= strings.getUint8(at + index) << (8 * index);
  return word;
}
