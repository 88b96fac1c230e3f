import { type Btf, BtfKind, essentialName, typeName } from '../btf/index.js';
import { nearestNames, quote } from '../errors/index.js';
import type { ObjectSpec } from '../object/index.js';
import { Budget, CoreProblem } from './core/core-problem.js';
import { typesAreCompatible } from './core/types-are-compatible.js';
import { kernelExtern } from './kernel-extern.js';
import type { KernelFacts, KernelSymbol } from './load-plan.js';

/**
 * What a `__ksym` is in the kernel: an address, a function or variable of its BTF or of a module's, or nothing, which only
 * a weak one may be.
 */
export type ResolvedExtern =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'type'; readonly id: number; readonly module: string | undefined; readonly callable: boolean }
  | { readonly kind: 'missing'; readonly reason: string };

interface Candidate {
  readonly btf: Btf;
  readonly id: number;
  readonly module: string | undefined;
}

const HIDDEN =
  'the kernel has it, and cannot find its address: variables are among its symbols with CONFIG_KALLSYMS_ALL=y only';

/** Finds what an object declares `__ksym` in one kernel; each is looked for once. */
export class ExternResolver {
  readonly #object: ObjectSpec;
  readonly #facts: KernelFacts;
  readonly #resolved = new Map<string, ResolvedExtern>();
  readonly #budget = new Budget();

  constructor(object: ObjectSpec, facts: KernelFacts) {
    this.#object = object;
    this.#facts = facts;
  }

  /**
   * Undefined for what is not declared `__ksym`.
   *
   * @throws {CoreProblem} when the kernel has no such thing and it is not weak, or has one of another type, or several.
   */
  resolve(name: string): ResolvedExtern | undefined {
    const known = this.#resolved.get(name);
    if (known !== undefined) return known;
    const extern = this.#object.externs.get(name);
    const { btf } = this.#object;
    const declared = kernelExtern(btf, extern);
    if (declared === undefined || btf === undefined) return undefined;
    let found: ResolvedExtern;
    switch (declared.kind) {
      case 'symbol':
        found = this.#symbol(name);
        break;
      case 'variable':
        found = this.#variable(btf, name, declared.type);
        break;
      case 'function':
        found = this.#function(btf, name, declared.prototype, extern?.weak === true);
        break;
    }
    if (found.kind === 'missing' && extern?.weak !== true) {
      throw new CoreProblem(`${found.reason}. Declare it __weak to do without it where it is missing`);
    }
    this.#resolved.set(name, found);
    return found;
  }

  #symbol(name: string): ResolvedExtern {
    for (const wanted of namesOf(name)) {
      const found = this.#facts.symbols?.get(wanted) ?? [];
      const [first] = found;
      if (first === undefined) continue;
      const other = found.find(({ address }) => address !== first.address);
      if (other !== undefined) {
        throw new CoreProblem(
          `the kernel has several symbols of this name, ${shown(first)} and ${shown(other)}: which is meant cannot be told`,
        );
      }
      return { kind: 'address', address: first.address };
    }
    return {
      kind: 'missing',
      reason:
        '/proc/kallsyms has no symbol of this name; kernels without CONFIG_KALLSYMS_ALL=y list functions there and no variables',
    };
  }

  #variable(btf: Btf, name: string, type: number): ResolvedExtern {
    const candidates = this.#candidates(name, BtfKind.VAR);
    for (const candidate of candidates) {
      if (!this.#fits(btf, type, candidate, candidate.btf.skipModifiers(targetOf(candidate)))) continue;
      if (this.#isHidden(candidate)) return { kind: 'missing', reason: HIDDEN };
      return { kind: 'type', id: candidate.id, module: candidate.module, callable: false };
    }
    const [first] = candidates;
    if (first !== undefined) {
      const theirs = quote(typeName(first.btf, targetOf(first)));
      throw new CoreProblem(`it is of type ${theirs} in the kernel and ${quote(typeName(btf, type))} in the object`);
    }
    return {
      kind: 'missing',
      reason:
        `${this.#searched()} no variable of this name, and mostly those that are per CPU are there; ` +
        'the address of another is had by "extern const void … __ksym"',
    };
  }

  #function(btf: Btf, name: string, prototype: number, weak: boolean): ResolvedExtern {
    const candidates = this.#candidates(name, BtfKind.FUNC);
    for (const candidate of candidates) {
      if (!this.#fits(btf, prototype, candidate, targetOf(candidate))) continue;
      return { kind: 'type', id: candidate.id, module: candidate.module, callable: true };
    }
    const [first] = candidates;
    if (first === undefined) {
      const reason = `${this.#searched()} no function of this name${weak ? '' : this.#nearest(name)}`;
      return { kind: 'missing', reason };
    }
    const where = first.module === undefined ? 'the kernel' : `module ${quote(first.module)}`;
    const ours = quote(typeName(btf, this.#object.externs.get(name)?.typeId ?? prototype));
    const reason = `${where} has ${quote(typeName(first.btf, first.id))} and the object declares ${ours}`;
    if (!weak) throw new CoreProblem(reason);
    return { kind: 'missing', reason };
  }

  /** Those of the kernel proper; of modules when it has none. */
  #candidates(name: string, kind: BtfKind): readonly Candidate[] {
    const { btf, modules = [] } = this.#facts;
    for (const wanted of namesOf(name)) {
      const own = btf?.findAll(wanted, kind).map((id): Candidate => ({ btf, id, module: undefined })) ?? [];
      if (own.length > 0) return own;
      const others = modules.flatMap((module) =>
        module
          .findAll(wanted, kind)
          .filter((id) => id >= module.startId)
          .map((id): Candidate => ({ btf: module, id, module: module.name })),
      );
      if (others.length > 0) return others;
    }
    return [];
  }

  /** The kernel takes the address of a variable from its own list of symbols (`__check_pseudo_btf_id`). */
  #isHidden({ btf, id, module }: Candidate): boolean {
    const { symbols } = this.#facts;
    return symbols !== undefined && module === undefined && !symbols.has(btf.nameOf(id));
  }

  #fits(btf: Btf, local: number, { btf: target }: Candidate, other: number): boolean {
    return typesAreCompatible(btf, local, target, other, this.#budget);
  }

  /** For an error only: walks the names of all functions. Those that programs may call are all named so. */
  #nearest(name: string): string {
    const wanted = essentialName(name);
    const names = new Set<string>();
    for (const btf of [this.#facts.btf, ...(this.#facts.modules ?? [])]) {
      for (let id = btf?.startId ?? 0; btf !== undefined && id < btf.endId; id++) {
        if (btf.kind(id) === BtfKind.FUNC && btf.nameOf(id).startsWith('bpf_')) names.add(btf.nameOf(id));
      }
    }
    const nearest = nearestNames(wanted, names);
    return nearest.length === 0 ? '' : ` (did you mean ${nearest.map((near) => quote(near)).join(' or ')}?)`;
  }

  #searched(): string {
    return this.#facts.btf === undefined
      ? "the kernel's BTF cannot be read, so it is known to have"
      : 'the BTF of the kernel and its modules has';
  }
}

/** As it is written, then without its flavour: `bpf_iter_new` of `bpf_iter_new___old`. */
export function namesOf(name: string): readonly string[] {
  const essential = essentialName(name);
  return essential === name ? [name] : [name, essential];
}

/** The type of a VAR, the prototype of a FUNC. */
function targetOf({ btf, id }: Candidate): number {
  const type = btf.type(id);
  return type.kind === BtfKind.VAR || type.kind === BtfKind.FUNC ? type.type : 0;
}

function shown({ address, module }: KernelSymbol): string {
  return `0x${address.toString(16)}${module === undefined ? '' : ` (module ${quote(module)})`}`;
}
