import { type Btf, BtfKind, essentialName, kindName, typeName } from '../../btf/index.js';
import { escapeControl, quote } from '../../errors/index.js';
import { type Access, describeAccess, isSameKind, parseAccess } from './access.js';
import { type AccessValue, valueOf } from './access-value.js';
import { Budget, CoreProblem } from './core-problem.js';
import { CoreRelocationKind, isCoreRelocationKind, isZeroWhenMissing } from './core-relocation-kind.js';
import { matchAccess } from './match-access.js';

/** What to write into an instruction. */
export interface CoreAnswer extends InstructionPatch {
  /** What is asked about, in the object's types. */
  readonly local: Access;
}

/** What an instruction is to hold. */
export interface InstructionPatch {
  /** Unsigned, as 64 bits; undefined when the kernel has no such thing, and `reason` says why. */
  readonly value: bigint | undefined;
  readonly reason: string;
  /** What the compiler has put there; undefined when that says nothing. */
  readonly expected: bigint | undefined;
  /** Bytes of the field in the object's types and in the kernel's: a load or store must move the latter. */
  readonly localSize: number;
  readonly size: number;
  /** Why a load or store cannot be made to move another number of bytes; undefined when it can. */
  readonly sizeMisfit: string | undefined;
}

/** More than there are kinds of relocation. */
const kinds = 16;

/**
 * Answers CO-RE relocations of one object against one kernel. Candidates are looked for once per root type, and each
 * question answered once: an access that forty instructions make costs one search.
 */
export class CoreResolver {
  readonly #local: Btf;
  readonly #target: Btf | undefined;
  readonly #modules: readonly Btf[];
  readonly #candidates = new Map<number, readonly Candidate[]>();
  /** By the access string's offset, then by type and kind. */
  readonly #answers = new Map<number, Map<number, CoreAnswer>>();
  readonly #budget = new Budget();

  /**
   * Without a target only ids in the object's own BTF can be answered. `modules` are split on the target, and asked for
   * what it has not.
   */
  constructor(local: Btf, target: Btf | undefined, modules: readonly Btf[] = []) {
    this.#local = local;
    this.#target = target;
    this.#modules = modules;
  }

  /**
   * The answer to a relocation; `accessString` is a string offset in the object's BTF.
   *
   * @throws {CoreProblem} for a malformed relocation, or when the kernel's candidates disagree.
   */
  resolve(kind: number, typeId: number, accessString: number): CoreAnswer {
    if (!isCoreRelocationKind(kind)) throw new CoreProblem(`CO-RE relocations of kind ${kind} are not known`);
    const key = typeId * kinds + kind;
    const known = this.#answers.get(accessString);
    const answered = known?.get(key);
    if (answered !== undefined) return answered;
    this.#budget.ask();
    const local = parseAccess(this.#local, typeId, this.#local.string(accessString), kind);
    const answer = this.#answer(local, kind);
    if (known === undefined) this.#answers.set(accessString, new Map([[key, answer]]));
    else known.set(key, answer);
    return answer;
  }

  #answer(local: Access, kind: CoreRelocationKind): CoreAnswer {
    const own = valueOf(local, kind);
    let { value, size }: { value: bigint | undefined; size: number } = own;
    let reason = '';
    let sizeMisfit: string | undefined;
    if (kind !== CoreRelocationKind.TYPE_ID_LOCAL) {
      const { found, mismatches } = this.#search(local, kind);
      if (found === undefined) {
        value = isZeroWhenMissing(kind) ? 0n : undefined;
        reason = mismatches[0] ?? this.#noCandidates(local.rootType);
      } else {
        ({ value, size } = found.value);
        sizeMisfit = this.#sizeMisfit(own, found);
      }
    }
    const expected = own.isInInstruction ? own.value : undefined;
    return { local, value, reason, expected, localSize: own.size, size, sizeMisfit };
  }

  /** The candidate that fits; several must give one answer. */
  #search(local: Access, kind: CoreRelocationKind): { found: Found | undefined; mismatches: string[] } {
    const mismatches: string[] = [];
    let found: Found | undefined;
    for (const candidate of this.#candidatesOf(local.rootType)) {
      const match = matchAccess(local, kind, candidate.btf, candidate.id, this.#budget);
      if ('mismatch' in match) {
        mismatches.push(match.mismatch);
        continue;
      }
      const next = { access: match.access, value: valueOf(match.access, kind) };
      if (found === undefined) {
        found = next;
      } else if (found.access.bitOffset !== next.access.bitOffset || found.value.value !== next.value.value) {
        throw new CoreProblem(
          `the kernel has several types of this name and they disagree: ${shown(found)}, but ${shown(next)}. ` +
            'Describe the one that is meant by more of its members, or under a flavour (name___flavour) of its own',
        );
      }
    }
    return { found, mismatches };
  }

  /** Kernel types of the same essential name and kind as the object's; those of modules when the kernel proper has none. */
  #candidatesOf(typeId: number): readonly Candidate[] {
    const known = this.#candidates.get(typeId);
    if (known !== undefined) return known;
    const target = this.#requireTarget();
    const name = essentialName(this.#local.nameOf(typeId));
    const kind = this.#local.kind(typeId);
    if (name === '') {
      throw new CoreProblem(
        `the ${kindName(kind)} has no name in the object, so it cannot be found in the kernel: give it one`,
      );
    }
    const fitting = (btf: Btf): Candidate[] =>
      btf
        .findByEssentialName(name)
        .filter((id) => isSameKind(kind, btf.kind(id)))
        .map((id) => ({ btf, id }));
    const own = fitting(target);
    const candidates = own.length > 0 ? own : this.#modules.flatMap(fitting);
    this.#candidates.set(typeId, candidates);
    return candidates;
  }

  #noCandidates(typeId: number): string {
    const name = essentialName(this.#local.nameOf(typeId));
    const others = this.#requireTarget()
      .findByEssentialName(name)
      .map((id) => typeName(this.#requireTarget(), id));
    const kind = nouns.get(this.#local.kind(typeId)) ?? 'type';
    const hint = others.length === 0 ? '' : `, only ${escapeControl(others.slice(0, 3).join(', '))}`;
    return `the kernel has no ${kind} ${quote(name)}${hint}`;
  }

  /**
   * A pointer may become a pointer of another size and an unsigned integer another unsigned one, as the register's
   * upper bits are zero either way; for all else the program's arithmetic would be wrong.
   */
  #sizeMisfit(own: AccessValue, { access, value: found }: Found): string | undefined {
    if (own.size === found.size) return undefined;
    const target = access.btf;
    const local = this.#local.type(own.type);
    const kernel = target.type(found.type);
    if (local.kind === BtfKind.PTR && kernel.kind === BtfKind.PTR) return undefined;
    if (local.kind === BtfKind.INT && kernel.kind === BtfKind.INT && !local.signed && !kernel.signed) return undefined;
    const ours = fieldText(this.#local, own);
    const theirs = fieldText(target, found);
    return `the field is ${theirs} in the kernel and ${ours} in the object: read it with BPF_CORE_READ_BITFIELD or bpf_core_read`;
  }

  #requireTarget(): Btf {
    if (this.#target === undefined) throw new CoreProblem("it needs the kernel's BTF, which was not given");
    return this.#target;
  }
}

/** A type of the kernel or of a module. */
interface Candidate {
  readonly btf: Btf;
  readonly id: number;
}

interface Found {
  readonly access: Access;
  readonly value: AccessValue;
}

const nouns: ReadonlyMap<number, string> = new Map<number, string>([
  [BtfKind.STRUCT, 'struct'],
  [BtfKind.UNION, 'union'],
  [BtfKind.ENUM, 'enum'],
  [BtfKind.ENUM64, 'enum'],
  [BtfKind.TYPEDEF, 'typedef'],
  [BtfKind.FWD, 'forward declaration of'],
]);

function shown(found: Found): string {
  const { access, value } = found;
  const type = escapeControl(typeName(access.btf, access.rootType));
  const what = access.steps.length === 0 ? type : `${describeAccess(access)} of ${type}`;
  return `${what} (BTF id ${access.rootType}, ${sizeText(access)}) gives ${value.value}`;
}

function fieldText(btf: Btf, { type, size }: AccessValue): string {
  return size === 0 ? 'a bit-field' : `${quote(typeName(btf, type))} of ${size} bytes`;
}

function sizeText(access: Access): string {
  try {
    return `${access.btf.sizeOf(access.rootType)} bytes`;
  } catch {
    return 'without a size';
  }
}
