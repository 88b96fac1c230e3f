import { BtfKind, uniqueIdentifier, type Btf } from '../btf/index.js';

/** Words that no interface or alias can be called, and the names that the declarations themselves use. */
const taken = new Set(
  (
    'any as async await bigint boolean break case catch class const continue debugger declare default delete do else ' +
    'enum export extends false finally for function if implements import in instanceof interface let never new null ' +
    'number object package private protected public return static string super switch symbol this throw true try type ' +
    'typeof undefined unknown var void while with yield Uint8Array'
  ).split(' '),
);

/**
 * The names that the types of one BTF have in TypeScript, which keeps in one place what C keeps in two: a name that is taken
 * gets `___2`.
 */
export class TypescriptNames {
  readonly #btf: Btf;
  readonly #taken = new Map<string, number>();
  readonly #ofType = new Map<number, string>();
  #typedefs: ReadonlyMap<number, string> | undefined;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The type's own name in C; of a struct without one that of its typedef. Undefined when it has neither. */
  cName(id: number): string | undefined {
    const name = this.#btf.nameOf(id);
    if (name !== '') return name;
    this.#typedefs ??= this.#typedefsOfNameless();
    return this.#typedefs.get(id);
  }

  /** Undefined for a type without a name. */
  of(id: number): string | undefined {
    const known = this.#ofType.get(id);
    if (known !== undefined) return known;
    const cName = this.cName(id);
    if (cName === undefined) return undefined;
    const name = uniqueIdentifier(this.#taken, taken.has(cName) ? `${cName}_` : cName);
    this.#ofType.set(id, name);
    return name;
  }

  #typedefsOfNameless(): ReadonlyMap<number, string> {
    const found = new Map<number, string>();
    for (let id = 1; id < this.#btf.endId; id++) {
      if (this.#btf.kind(id) !== BtfKind.TYPEDEF) continue;
      const type = this.#btf.type(id);
      if (type.kind === BtfKind.TYPEDEF && type.type !== 0 && !found.has(type.type)) found.set(type.type, type.name);
    }
    return found;
  }
}
