import { BtfKind } from '../btf-kind.js';
import type { BtfFloat, BtfInt } from '../btf-type.js';
import type { Btf } from '../btf.js';

const keywords = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register ' +
    'restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm typeof ' +
    '_Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert _Thread_local ' +
    '__attribute __attribute__ __asm __asm__ __typeof __typeof__ __alignof __alignof__ __auto_type __extension__ ' +
    '__const __const__ __volatile __volatile__ __restrict __restrict__ __inline __inline__ __signed __signed__ ' +
    '__complex__ __real__ __imag__ __thread __label__ __func__ __FUNCTION__ __PRETTY_FUNCTION__ __int128 __builtin_va_list ' +
    '_Float16 _Float32 _Float64 _Float128 __float128 __fp16 __bf16 _BitInt _Nonnull _Nullable _Null_unspecified'
  ).split(' '),
);

/** Longer names come from no compiler. */
const longestName = 512;

/**
 * A name as a C identifier. Names are data: what is none (of Rust's types, of crafted files) has its other characters
 * replaced, so that no name ends a comment, a declaration or a string.
 */
export function identifier(name: string): string {
  const cleaned = name
    .slice(0, longestName)
    .replace(/[^A-Za-z0-9_]/gu, '_')
    .replace(/^(?=\d)/u, '_');
  return keywords.has(cleaned) || cleaned === '' ? `${cleaned}_` : cleaned;
}

/** Words, sorted, of the types that C itself has, and the bytes they have for BPF. */
const baseTypes = new Map<string, number>(
  Object.entries({
    char: 1,
    'char signed': 1,
    'char unsigned': 1,
    _Bool: 1,
    short: 2,
    'int short': 2,
    'short signed': 2,
    'int short signed': 2,
    'short unsigned': 2,
    'int short unsigned': 2,
    int: 4,
    signed: 4,
    'int signed': 4,
    unsigned: 4,
    'int unsigned': 4,
    long: 8,
    'int long': 8,
    'long signed': 8,
    'int long signed': 8,
    'long unsigned': 8,
    'int long unsigned': 8,
    'long long': 8,
    'int long long': 8,
    'long long signed': 8,
    'int long long signed': 8,
    'long long unsigned': 8,
    'int long long unsigned': 8,
    __int128: 16,
    '__int128 signed': 16,
    '__int128 unsigned': 16,
    float: 4,
    double: 8,
  }),
);

/** Whether the name is that of a type of C itself that has this size. */
export function isBaseType(type: BtfInt | BtfFloat): boolean {
  return baseTypes.get(type.name.split(' ').sort().join(' ')) === type.size;
}

/**
 * The names that types have in the C text. Tags and ordinary identifiers are C's two name spaces; in each, a name that is
 * taken gets `___2`, `___3`, …: a flavour, which CO-RE does not look at.
 */
export class CNames {
  readonly #btf: Btf;
  readonly #tags = new Map<string, number>();
  readonly #identifiers = new Map<string, number>();
  readonly #ofType = new Map<number, string>();
  readonly #ofForward = new Map<string, string>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** Of a named struct, union, enum or forward declaration. */
  tag(id: number): string {
    const known = this.#ofType.get(id);
    if (known !== undefined) return known;
    const type = this.#btf.type(id);
    const name = type.kind === BtfKind.FWD ? this.#forward(type.name, type.union) : unique(this.#tags, type.name);
    this.#ofType.set(id, name);
    return name;
  }

  /** Of a typedef, or of an integer or float that C does not have. */
  typeName(id: number): string {
    const known = this.#ofType.get(id);
    if (known !== undefined) return known;
    const name = unique(this.#identifiers, this.#btf.nameOf(id));
    this.#ofType.set(id, name);
    return name;
  }

  /** Of one value of an enumeration, each time it is written. */
  enumerator(name: string): string {
    return unique(this.#identifiers, name);
  }

  /** The type that a forward declaration stands for, when it is defined here too. */
  definitionOf(name: string, union: boolean): number | undefined {
    return name === '' ? undefined : this.#btf.find(name, union ? BtfKind.UNION : BtfKind.STRUCT);
  }

  #forward(name: string, union: boolean): string {
    const definition = this.definitionOf(name, union);
    if (definition !== undefined) return this.tag(definition);
    const key = `${union ? 'union' : 'struct'} ${name}`;
    const tag = this.#ofForward.get(key) ?? unique(this.#tags, name);
    this.#ofForward.set(key, tag);
    return tag;
  }
}

/** `name` as an identifier that `taken` does not have yet, and has from now on. */
export function unique(taken: Map<string, number>, name: string): string {
  const wanted = identifier(name);
  let count = taken.get(wanted) ?? 0;
  let chosen = wanted;
  if (count > 0) {
    do chosen = `${wanted}___${++count}`;
    while (taken.has(chosen));
  }
  taken.set(wanted, Math.max(count, 1));
  if (chosen !== wanted) taken.set(chosen, 1);
  return chosen;
}
