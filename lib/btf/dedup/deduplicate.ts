import { BtfBuilder } from '../btf-builder.js';
import { BtfKind } from '../btf-kind.js';
import type { Btf } from '../btf.js';
import { infoFlag } from '../type-table.js';
import { withTypeIds } from '../with-type-ids.js';
import { Equivalence } from './equivalence.js';
import { TypeGraph } from './type-graph.js';
import { TypeMerges } from './type-merges.js';

/** The bytes of a BTF in which no type is there twice, and for each id of the old one its id in that. */
export function deduplicate(btf: Btf): { readonly bytes: Uint8Array; readonly ids: Uint32Array } {
  const deduplicator = new Deduplicator(btf);
  deduplicator.mergePrimitives();
  deduplicator.mergeComposites();
  deduplicator.resolveForwards();
  deduplicator.mergeReferences();
  return compact(btf, deduplicator.merges);
}

/**
 * Types that are the same are merged in the order that libbpf has found to work: those that refer to nothing, then structs
 * and unions by what they lead to, then forward declarations, and last what refers to all of these.
 */
class Deduplicator {
  readonly merges: TypeMerges;
  readonly #btf: Btf;
  readonly #graph: TypeGraph;
  /** Types that stay, by the hash of what makes them equal to others. */
  readonly #staying = new Map<number, number[]>();

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#graph = new TypeGraph(btf);
    this.merges = new TypeMerges(this.#graph);
    for (let id = 1; id < btf.startId; id++) this.#keep(id, this.#hash(id));
  }

  mergePrimitives(): void {
    for (const id of this.#own()) {
      switch (this.#graph.kind(id)) {
        case BtfKind.INT:
        case BtfKind.FLOAT:
        case BtfKind.FWD:
          this.#mergeEqual(id);
          break;
        case BtfKind.ENUM:
        case BtfKind.ENUM64:
          this.#mergeEnum(id);
          break;
        case BtfKind.VAR:
        case BtfKind.DATASEC:
          this.merges.merge(id, id);
          break;
        default:
      }
    }
  }

  mergeComposites(): void {
    const graph = this.#graph;
    const equivalence = new Equivalence(graph, this.merges);
    for (const id of this.#own()) {
      const kind = graph.kind(id);
      if (this.merges.isDecided(id) || (kind !== BtfKind.STRUCT && kind !== BtfKind.UNION)) continue;
      const hash = this.#hash(id);
      const same = (this.#staying.get(hash) ?? []).find(
        (other) => graph.hasSameShape(id, other) && equivalence.holds(id, other),
      );
      if (same === undefined) this.#keep(id, hash);
      else {
        this.#acceptPairs(equivalence.pairs);
        this.merges.merge(id, same);
      }
    }
  }

  /** Forward declarations whose name only one struct has stand for that. */
  resolveForwards(): void {
    const graph = this.#graph;
    const unique = new Map<string, number | undefined>();
    const key = (id: number, union: boolean): string => `${graph.name(id)} ${union ? 'union' : 'struct'}`;
    for (let id = 1; id < this.#btf.endId; id++) {
      const kind = graph.kind(id);
      if ((kind !== BtfKind.STRUCT && kind !== BtfKind.UNION) || graph.name(id) === 0 || !this.merges.stays(id))
        continue;
      const name = key(id, kind === BtfKind.UNION);
      unique.set(name, unique.has(name) ? undefined : id);
    }
    for (const id of this.#own()) {
      if (graph.kind(id) !== BtfKind.FWD || !this.merges.stays(id)) continue;
      const definition = unique.get(key(id, infoFlag(graph.info(id))));
      if (definition !== undefined) this.merges.merge(id, definition);
    }
  }

  /** Types that are made of others, each after those that it refers to. */
  mergeReferences(): void {
    const visiting = new Set<number>();
    const open: number[] = [];
    for (const root of this.#own()) {
      open.push(root);
      while (open.length > 0) {
        const id = open.at(-1) ?? 0;
        if (this.merges.isDecided(id)) {
          open.pop();
          continue;
        }
        const before = open.length;
        if (!visiting.has(id)) {
          visiting.add(id);
          for (const word of this.#graph.references(id)) this.#open(this.#graph.word(id, word), visiting, open);
          if (open.length > before) continue;
        }
        this.#rewriteReferences(id);
        this.#mergeEqual(id);
        visiting.delete(id);
        open.pop();
      }
    }
  }

  #open(id: number, visiting: ReadonlySet<number>, open: number[]): void {
    if (this.merges.isDecided(id)) return;
    if (visiting.has(id)) throw this.#btf.error(`type ${id} refers to nothing but itself`, id);
    open.push(id);
  }

  #rewriteReferences(id: number): void {
    const { words, at } = this.#graph;
    for (const word of this.#graph.references(id)) {
      const place = (at[id] ?? 0) + word;
      words[place] = this.merges.resolve(words[place] ?? 0);
    }
  }

  #mergeEqual(id: number): void {
    const hash = this.#hash(id);
    const same = this.#staying.get(hash)?.find((other) => this.#graph.hasSameWords(id, other));
    if (same === undefined) this.#keep(id, hash);
    else this.merges.merge(id, same);
  }

  /** An enumeration without values is a declaration of the one that has some. */
  #mergeEnum(id: number): void {
    const graph = this.#graph;
    const hash = this.#hash(id);
    let same: number | undefined;
    for (const other of this.#staying.get(hash) ?? []) {
      if (!isEnum(graph.kind(other)) || !this.merges.stays(other)) continue;
      if (graph.hasSameWords(id, other)) same = other;
      else if (graph.name(id) === 0 || graph.name(id) !== graph.name(other)) continue;
      else if (graph.count(id) === 0) same = other;
      else if (graph.count(other) === 0 && other >= this.#btf.startId) this.merges.merge(other, id);
      if (same !== undefined) break;
    }
    if (same === undefined) this.#keep(id, hash);
    else this.merges.merge(id, same);
  }

  /** What had to be the same for two structs to be: forward declarations get their struct, structs are merged too. */
  #acceptPairs(pairs: ReadonlyMap<number, number>): void {
    const graph = this.#graph;
    for (const [left, right] of pairs) {
      const canonical = this.merges.resolve(left);
      const candidate = this.merges.resolve(right);
      if (canonical === candidate) continue;
      const kind = graph.kind(candidate);
      const canonicalIsForward = graph.kind(canonical) === BtfKind.FWD;
      if (kind === BtfKind.FWD) {
        if (!canonicalIsForward) this.merges.merge(candidate, canonical);
      } else if (canonicalIsForward) {
        // The base is not ours to change.
        if (canonical >= this.#btf.startId) this.merges.merge(canonical, candidate);
      } else if (
        (kind === BtfKind.STRUCT || kind === BtfKind.UNION) &&
        this.merges.isDecided(canonical) &&
        !this.merges.isDecided(candidate)
      ) {
        this.merges.merge(candidate, canonical);
      }
    }
  }

  #keep(id: number, hash: number): void {
    this.merges.merge(id, id);
    const others = this.#staying.get(hash);
    if (others === undefined) this.#staying.set(hash, [id]);
    else others.push(id);
  }

  #hash(id: number): number {
    const graph = this.#graph;
    switch (graph.kind(id)) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        return graph.hashShape(id);
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        return graph.name(id) === 0 ? graph.hashWords(id) : Math.imul(graph.name(id), 0x9e37_79b1) ^ BtfKind.ENUM;
      default:
        return graph.hashWords(id);
    }
  }

  *#own(): Generator<number, void, undefined> {
    for (let id = this.#btf.startId; id < this.#btf.endId; id++) yield id;
  }
}

function compact(btf: Btf, merges: TypeMerges): { bytes: Uint8Array; ids: Uint32Array } {
  const ids = new Uint32Array(btf.endId);
  let next = btf.startId;
  for (let id = 1; id < btf.endId; id++) ids[id] = id < btf.startId ? id : merges.stays(id) ? next++ : 0;
  for (let id = btf.startId; id < btf.endId; id++) if (!merges.stays(id)) ids[id] = ids[merges.resolve(id)] ?? 0;
  const builder = new BtfBuilder({ littleEndian: btf.littleEndian, base: btf.base });
  for (let id = btf.startId; id < btf.endId; id++) {
    if (merges.stays(id)) builder.add(withTypeIds(btf.type(id), (old) => ids[old] ?? 0));
  }
  return { bytes: builder.encode(), ids };
}

function isEnum(kind: BtfKind): boolean {
  return kind === BtfKind.ENUM || kind === BtfKind.ENUM64;
}
