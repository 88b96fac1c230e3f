/** Longer names are not compared letter by letter. */
const LONGEST = 256;

/** The names most like `wanted`, best first: those a slip of the finger, of case or of separators away. */
export function nearestNames(wanted: string, known: Iterable<string>, limit = 3): string[] {
  const target = simplified(wanted);
  const letters = new Letters(target);
  const ranked: { name: string; distance: number }[] = [];
  for (const name of known) {
    const candidate = simplified(name);
    const most = Math.max(1, Math.floor(Math.max(target.length, candidate.length) / 3));
    const distance = letters.mayBeWithin(candidate, most) ? editDistance(target, candidate, most) : most + 1;
    if (distance <= most) ranked.push({ name, distance });
    else if (target.length >= 3 && candidate.includes(target)) ranked.push({ name, distance: most + 1 });
  }
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, limit).map((entry) => entry.name);
}

function simplified(name: string): string {
  return name.toLowerCase().replace(/[_\-./]/g, '');
}

/** How often each letter stands in a word: tells cheaply, of a kernel's 60,000 functions, which are nothing like it. */
class Letters {
  readonly #length: number;
  readonly #counts = new Int32Array(128);
  readonly #left = new Int32Array(128);

  constructor(word: string) {
    this.#length = word.length;
    for (let at = 0; at < word.length; at++) this.#count(this.#counts, word, at, 1);
  }

  /** False only if more than `most` edits are between the words: each edit changes one letter at most. */
  mayBeWithin(other: string, most: number): boolean {
    if (Math.abs(other.length - this.#length) > most) return false;
    this.#left.set(this.#counts);
    let strange = 0;
    for (let at = 0; at < other.length; at++) if (this.#count(this.#left, other, at, -1) < 0) strange++;
    return strange <= most;
  }

  #count(counts: Int32Array, word: string, at: number, change: number): number {
    const letter = word.charCodeAt(at) & 127;
    return (counts[letter] = (counts[letter] ?? 0) + change);
  }
}

/**
 * Insertions, removals, replacements and swaps of neighbours that make `b` of `a`, or anything above `most` as soon as
 * it is known to be more.
 */
function editDistance(a: string, b: string, most: number): number {
  // Nobody types such a name by hand, and a file may hold many of them: the time taken grows with the square.
  if (Math.max(a.length, b.length) > LONGEST) return a === b ? 0 : most + 1;
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, (beforePrevious[j - 2] ?? 0) + 1);
      current.push(least);
    }
    // A swap reaches two rows back.
    if (Math.min(...current) > most && Math.min(...previous) > most) return most + 1;
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? most + 1;
}
