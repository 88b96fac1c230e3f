import { BtfKind, typeHeaderWords } from '../btf-kind.js';
import { infoFlag } from '../type-table.js';
import type { TypeMerges } from './type-merges.js';
import type { TypeGraph } from './type-graph.js';

/** How deep two types of one compilation unit are compared; libbpf's number. */
const deepestIdentical = 16;

/**
 * Whether two structs are one: whether all that they lead to, through pointers and cycles, can be the same. A forward
 * declaration is the same as a struct of its name. The answer is a set of pairs of types, which hold together or not at all.
 */
export class Equivalence {
  readonly #graph: TypeGraph;
  readonly #merges: TypeMerges;
  /** For the canonical type the other that it would be the same as. */
  readonly pairs: Map<number, number> = new Map<number, number>();
  /** A crafted file can make every comparison long; what is not compared to the end stays apart, which is never wrong. */
  #stepsLeft: number;

  constructor(graph: TypeGraph, merges: TypeMerges) {
    this.#graph = graph;
    this.#merges = merges;
    this.#stepsLeft = 20_000_000 + graph.words.length * 20;
  }

  holds(candidate: number, canonical: number): boolean {
    this.pairs.clear();
    const open = [candidate, canonical];
    while (open.length > 0) {
      const right = open.pop() ?? 0;
      const left = open.pop() ?? 0;
      if (--this.#stepsLeft < 0 || !this.#pair(left, right, open)) return false;
    }
    return true;
  }

  /** Compares two types by themselves, and leaves the pairs that they refer to in `open`. */
  #pair(candidate: number, canonicalId: number, open: number[]): boolean {
    const graph = this.#graph;
    const merges = this.#merges;
    if (merges.resolve(candidate) === merges.resolve(canonicalId)) return true;
    const canonical = merges.resolveForward(canonicalId);
    const assumed = this.pairs.get(canonical);
    // Compilers describe an array, and some a struct, twice in one unit; these two are then the same as each other.
    if (assumed !== undefined) return assumed === candidate || this.#identical(assumed, candidate, deepestIdentical);
    this.pairs.set(canonical, candidate);

    if (graph.name(candidate) !== graph.name(canonical)) return false;
    const kind = graph.kind(candidate);
    const other = graph.kind(canonical);
    if (kind !== other) {
      if (kind === BtfKind.FWD) return forwardKind(graph, candidate) === other;
      if (other === BtfKind.FWD) return forwardKind(graph, canonical) === kind;
      return isEnum(kind) && isEnum(other) && graph.name(candidate) !== 0 && this.#hasForwardEnum(candidate, canonical);
    }
    switch (kind) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        if (!graph.hasSameShape(candidate, canonical)) return false;
        break;
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        return (
          graph.hasSameWords(candidate, canonical) ||
          (graph.name(candidate) !== 0 && this.#hasForwardEnum(candidate, canonical))
        );
      case BtfKind.FUNC_PROTO:
        if (!this.#hasSameParameterNames(candidate, canonical)) return false;
        break;
      case BtfKind.ARRAY:
        if (graph.word(candidate, 5) !== graph.word(canonical, 5)) return false;
        break;
      case BtfKind.PTR:
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.FUNC:
        if (graph.info(candidate) !== graph.info(canonical)) return false;
        break;
      default:
        return graph.hasSameWords(candidate, canonical);
    }
    for (const word of graph.references(candidate)) open.push(graph.word(candidate, word), graph.word(canonical, word));
    return true;
  }

  #identical(a: number, b: number, depth: number): boolean {
    if (a === b) return true;
    if (depth === 0 || --this.#stepsLeft < 0) return false;
    const graph = this.#graph;
    if (graph.name(a) !== graph.name(b) || graph.info(a) !== graph.info(b)) return false;
    switch (graph.kind(a)) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        if (!graph.hasSameShape(a, b)) return false;
        break;
      case BtfKind.FUNC_PROTO:
        if (!this.#hasSameParameterNames(a, b)) return false;
        break;
      case BtfKind.ARRAY:
        if (graph.word(a, 5) !== graph.word(b, 5)) return false;
        break;
      case BtfKind.PTR:
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.FUNC:
        break;
      default:
        return graph.hasSameWords(a, b);
    }
    for (const word of graph.references(a)) {
      if (!this.#identical(graph.word(a, word), graph.word(b, word), depth - 1)) return false;
    }
    return true;
  }

  #hasSameParameterNames(a: number, b: number): boolean {
    const graph = this.#graph;
    if (graph.info(a) !== graph.info(b)) return false;
    for (let item = 0; item < graph.count(a); item++) {
      const name = typeHeaderWords + item * 2;
      if (graph.word(a, name) !== graph.word(b, name)) return false;
    }
    return true;
  }

  #hasForwardEnum(a: number, b: number): boolean {
    return this.#graph.count(a) === 0 || this.#graph.count(b) === 0;
  }
}

function forwardKind(graph: TypeGraph, id: number): BtfKind {
  return infoFlag(graph.info(id)) ? BtfKind.UNION : BtfKind.STRUCT;
}

function isEnum(kind: BtfKind): boolean {
  return kind === BtfKind.ENUM || kind === BtfKind.ENUM64;
}
