import { BtfKind } from '../btf-kind.js';
import type { TypeGraph } from './type-graph.js';

const undecided = 0xffff_ffff;

/** Which type each type is merged into; one that stays is merged into itself. */
export class TypeMerges {
  readonly #graph: TypeGraph;
  readonly #into: Uint32Array;

  constructor(graph: TypeGraph) {
    this.#graph = graph;
    this.#into = new Uint32Array(graph.at.length).fill(undecided);
    this.#into[0] = 0;
  }

  isDecided(id: number): boolean {
    return this.#into[id] !== undecided;
  }

  /** Whether the type is one of those that stay. */
  stays(id: number): boolean {
    return this.#into[id] === id;
  }

  merge(id: number, into: number): void {
    this.#into[id] = into;
  }

  /** The type that stays for this one, as far as is known. */
  resolve(id: number): number {
    let current = id;
    for (;;) {
      const next = this.#into[current] ?? undecided;
      if (next === undecided || next === current) return current;
      current = next;
    }
  }

  /** What a forward declaration stands for; any other type, and one that nothing is known of, is given back. */
  resolveForward(id: number): number {
    if (this.#graph.kind(id) !== BtfKind.FWD) return id;
    const resolved = this.resolve(id);
    return this.#graph.kind(resolved) === BtfKind.FWD ? id : resolved;
  }
}
