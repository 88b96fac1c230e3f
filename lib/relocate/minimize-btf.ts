import { Btf, BtfBuilder, BtfKind, essentialName, withTypeIds } from '../btf/index.js';
import { UsageError } from '../errors/index.js';
import type { CoreRelocationTable, ObjectSpec } from '../object/index.js';
import { type Access, isComposite, isSameKind, parseAccess } from './core/access.js';
import { Budget, CoreProblem } from './core/core-problem.js';
import { CoreRelocationKind, isCoreRelocationKind, isEnumValueKind, isFieldKind } from './core/core-relocation-kind.js';
import { matchAccess } from './core/match-access.js';

/**
 * The part of a kernel's BTF that the CO-RE relocations of objects look at, a few KB instead of megabytes: to be shipped
 * for kernels that have no BTF, and given as `kernelBtf` when an object is loaded there. It is what `bpftool gen
 * min_core_btf` makes. Relocations have the same answers, but for the ids of kernel types (`bpf_core_type_id_kernel`),
 * which only the kernel's own BTF can give. A relocation that is malformed is left for loading to report.
 *
 * @throws {UsageError} for an object without BTF or of another byte order than the kernel.
 *
 * @example
 * ```js
 * const kernel = Btf.parse(await readFile('5.4.0-90-generic.btf'), { name: '5.4.0-90-generic' });
 * await writeFile('5.4.0-90-generic.min.btf', minimizeBtf([object], kernel).bytes);
 * ```
 */
export function minimizeBtf(objects: Iterable<ObjectSpec>, kernelBtf: Btf): Btf {
  const kept = new KeptTypes(kernelBtf);
  for (const object of objects) {
    const { btf } = object;
    if (btf === undefined)
      throw UsageError.invalidValue('objects', `${object.name} has no BTF, so no CO-RE relocations`);
    if (btf.littleEndian !== kernelBtf.littleEndian) {
      throw UsageError.invalidValue('objects', `${object.name} is not in the kernel's byte order`);
    }
    const programs = [...object.programs.values()].map((program) => program.function);
    const budget = new Budget();
    for (const { coreRelocations } of new Set([...programs, ...object.functions.values()])) {
      keepTable(kept, btf, coreRelocations, budget);
    }
  }
  return kept.toBtf();
}

function keepTable(kept: KeptTypes, local: Btf, table: CoreRelocationTable, budget: Budget): void {
  for (const [row, kind] of table.kinds.entries()) {
    if (!isCoreRelocationKind(kind) || kind === CoreRelocationKind.TYPE_ID_LOCAL) continue;
    const typeId = table.typeIds[row] ?? 0;
    try {
      const access = parseAccess(local, typeId, local.string(table.accessStrings[row] ?? 0), kind);
      const name = essentialName(local.nameOf(typeId));
      for (const candidate of name === '' ? [] : kept.kernel.findByEssentialName(name)) {
        if (!isSameKind(local.kind(typeId), kept.kernel.kind(candidate))) continue;
        const match = matchAccess(access, kind, kept.kernel, candidate, budget);
        if ('access' in match) kept.keep(match.access, kind);
      }
    } catch (problem) {
      if (!(problem instanceof CoreProblem)) throw problem;
    }
  }
}

/** Types of a kernel, and of its structs the members, that something looks at. */
class KeptTypes {
  readonly kernel: Btf;
  /** Indexes of the members kept, for each type kept. */
  readonly #members = new Map<number, Set<number>>();
  /** Types that have been followed through pointers and prototypes. */
  readonly #followed = new Set<number>();
  /** Structs whose members have all been kept, with what these contain. */
  readonly #whole = new Set<number>();

  constructor(kernel: Btf) {
    this.kernel = kernel;
  }

  keep(access: Access, kind: CoreRelocationKind): void {
    if (isFieldKind(kind)) this.#keepPath(access);
    else if (isEnumValueKind(kind)) this.#keepType(access.rootType);
    else {
      this.#follow(access.rootType);
      if (kind === CoreRelocationKind.TYPE_MATCHES) this.#keepWhole(access.rootType);
    }
  }

  /** The types kept, in the order of the kernel's; a pointer that was not followed points to void. */
  toBtf(): Btf {
    const { kernel } = this;
    const builder = new BtfBuilder({ littleEndian: kernel.littleEndian });
    const ids = new Map([...this.#members.keys()].sort((a, b) => a - b).map((id, index) => [id, index + 1]));
    for (const id of ids.keys()) {
      const type = kernel.type(id);
      const indexes = this.#members.get(id);
      const pruned = isComposite(type)
        ? { ...type, members: type.members.filter((_, index) => indexes?.has(index) === true) }
        : type;
      builder.add(withTypeIds(pruned, (old) => ids.get(old) ?? 0));
    }
    return Btf.parse(builder.encode(), { name: `${kernel.name}, minimized` });
  }

  #keepPath({ rootType, steps }: Access): void {
    this.#keepType(rootType);
    let container = this.kernel.skipModifiers(rootType);
    for (const { type, index, name } of steps) {
      if (name === undefined) {
        container = type;
        continue;
      }
      for (const [composite, member] of this.#pathTo(container, type) ?? []) this.#keepMember(composite, member);
      this.#keepMember(type, index);
      const parent = this.kernel.type(type);
      const member = isComposite(parent) ? parent.members[index] : undefined;
      container = this.kernel.skipModifiers(member?.type ?? 0);
    }
  }

  /** The anonymous members through which a struct has another one's members as its own. */
  #pathTo(from: number, to: number): [composite: number, member: number][] | undefined {
    if (from === to) return [];
    const type = this.kernel.type(from);
    if (!isComposite(type)) return undefined;
    for (const [index, member] of type.members.entries()) {
      const path = member.name === '' ? this.#pathTo(this.kernel.skipModifiers(member.type), to) : undefined;
      if (path !== undefined) return [[from, index], ...path];
    }
    return undefined;
  }

  #keepMember(id: number, index: number): void {
    this.#keepType(id);
    const type = this.kernel.type(id);
    if (!isComposite(type)) return;
    // The last one too: whether an array may be indexed beyond its length depends on its being that.
    for (const kept of [index, type.members.length - 1]) {
      const member = type.members[kept];
      if (member === undefined || this.#members.get(id)?.has(kept) === true) continue;
      this.#members.get(id)?.add(kept);
      this.#keepType(member.type);
    }
  }

  /** The type, and what its size and kind depend on. */
  #keepType(id: number): void {
    if (id === 0 || this.#members.has(id)) return;
    this.#members.set(id, new Set());
    const type = this.kernel.type(id);
    if (type.kind === BtfKind.ARRAY) {
      this.#keepType(type.elementType);
      this.#keepType(type.indexType);
    } else if (isModifier(type)) this.#keepType(type.type);
  }

  /** As {@link #keepType}, and what pointers and prototypes lead to. */
  #follow(root: number): void {
    const open = [root];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (id === 0 || this.#followed.has(id)) continue;
      this.#followed.add(id);
      this.#keepType(id);
      const type = this.kernel.type(id);
      if (type.kind === BtfKind.PTR || isModifier(type)) open.push(type.type);
      else if (type.kind === BtfKind.ARRAY) open.push(type.elementType);
      else if (type.kind === BtfKind.FUNC_PROTO) {
        open.push(type.returnType, ...type.parameters.map((parameter) => parameter.type));
      }
    }
  }

  /** All members of what lies in a value of the type. */
  #keepWhole(root: number): void {
    const open = [root];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const type = this.kernel.type(this.kernel.skipModifiers(id));
      if (type.kind === BtfKind.ARRAY) open.push(type.elementType);
      if (!isComposite(type) || this.#whole.has(type.id)) continue;
      this.#whole.add(type.id);
      for (const [index, member] of type.members.entries()) {
        this.#keepMember(type.id, index);
        this.#follow(member.type);
        open.push(member.type);
      }
    }
  }
}

function isModifier(type: ReturnType<Btf['type']>): type is Extract<ReturnType<Btf['type']>, { type: number }> {
  switch (type.kind) {
    case BtfKind.TYPEDEF:
    case BtfKind.CONST:
    case BtfKind.VOLATILE:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
      return true;
    default:
      return false;
  }
}
