import { BtfKind, essentialName, newerKindsIn } from '../btf/index.js';
import { escapeControl, quote } from '../errors/index.js';
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec } from '../object/index.js';
import { accessOf } from './apply-core-relocations.js';
import { attachTarget, isOfProgram, KERNEL } from './attach-target.js';
import { CoreRelocationKind } from './core/core-relocation-kind.js';
import { namesOf } from './extern-resolver.js';
import { FunctionLinker } from './function-linker.js';
import { kconfigNames } from './kconfig.js';
import { kernelExtern } from './kernel-extern.js';
import type { Needs } from './load-plan.js';
import { isOptional } from './optional-programs.js';
import { attachesToProbes } from './program-type.js';
import { programsToLoad } from './programs-to-load.js';
import { kernelStructOf } from './struct-ops.js';

/**
 * What the programs of an object that are to be loaded need of a kernel, without looking at one.
 *
 * @throws {RelocationError} for functions that cannot be linked.
 * @throws {UsageError} for programs that do not say what they attach to.
 */
export function needs(object: ObjectSpec): Needs {
  const collector = new NeedsCollector(object);
  for (const map of object.maps.values()) collector.addStructure(map);
  const known = new Set<string>();
  // What an optional program shares with another one is needed all the same.
  for (const program of programsToLoad(object).sort((a, b) => Number(isOptional(a)) - Number(isOptional(b)))) {
    collector.addProgram(program, known, isOptional(program));
  }
  return collector.needs();
}

/** What one program needs of a kernel. */
export function needsOf(object: ObjectSpec, program: ProgramSpec): Needs {
  const collector = new NeedsCollector(object);
  collector.addProgram(program, new Set(), false);
  return collector.needs();
}

/** The id of a type in the object's own BTF is known without a kernel. */
function needsKernel(kind: number | undefined): boolean {
  return kind !== CoreRelocationKind.TYPE_ID_LOCAL;
}

class NeedsCollector {
  readonly #object: ObjectSpec;
  /** Of the object's types whose names are among those wanted. */
  readonly #typeIds = new Set<number>();
  readonly #typeNames = new Map<string, Set<BtfKind>>();
  readonly #modules = new Set<string>();
  readonly #symbols = new Set<string>();
  readonly #variables = new Set<string>();
  /** What makes the kernel's types necessary, as text that is only made for an error. */
  readonly #reasons: (() => readonly string[])[] = [];
  #uprobeMulti = false;
  #kernelIds = false;
  #optionalKernelBtf = false;
  readonly #linker: FunctionLinker;
  /** Whether what is added now can be done without. */
  #optional = false;

  constructor(object: ObjectSpec) {
    this.#object = object;
    this.#linker = new FunctionLinker(object);
  }

  /** What the program and its functions need, but for those in `known`, to which they are added. */
  addProgram(program: ProgramSpec, known: Set<string>, optional: boolean): void {
    this.#optional = optional;
    this.#addTarget(program);
    for (const spec of this.#linker.reach(program, known)) this.#addFunction(program, spec);
    this.#optional = false;
  }

  needs(): Needs {
    const { btf } = this.#object;
    const reasons = this.#reasons;
    return {
      kernelBtf: this.#reasons.length > 0,
      kernelIds: this.#kernelIds,
      optionalKernelBtf: this.#optionalKernelBtf,
      typeNames: this.#typeNames,
      modules: this.#modules,
      kconfig: kconfigNames(this.#object),
      symbols: this.#symbols,
      variables: this.#variables,
      arenaGlobals: [...this.#object.maps.values()].some(
        ({ globalsSize, autoCreate }) => globalsSize > 0 && autoCreate,
      ),
      uprobeMulti: this.#uprobeMulti,
      get reasons(): readonly string[] {
        return [...new Set(reasons.flatMap((reason) => reason()))];
      },
      btfKinds: btf === undefined ? new Set() : newerKindsIn(btf),
    };
  }

  #addTarget(program: ProgramSpec): void {
    if (attachesToProbes(program)) this.#uprobeMulti = true;
    const target = attachTarget(program);
    if (target === undefined || isOfProgram(target)) return;
    const { name, module, rule } = target;
    if (module === undefined) this.#addName(name, rule.kind);
    else if (module !== KERNEL) this.#modules.add(module);
    this.#require('ids', () => [`program ${quote(program.name)}: ${rule.noun} ${quote(program.attachTo ?? '')}`]);
  }

  addStructure(map: MapSpec): void {
    const { btf } = this.#object;
    if (map.kind !== 'struct-ops' || !map.autoCreate || btf === undefined) return;
    const { name, valueName } = kernelStructOf(map, btf);
    this.#addName(name, BtfKind.STRUCT);
    this.#addName(valueName, BtfKind.STRUCT);
    this.#require('ids', () => [`map ${quote(map.name)}: struct ${escapeControl(name)}`]);
  }

  #addFunction(program: ProgramSpec, spec: FunctionSpec): void {
    this.#addCoreRelocations(program, spec);
    for (const reference of spec.references) {
      if (reference.kind === 'extern') this.#addExtern(program, reference.name);
    }
  }

  #addCoreRelocations(program: ProgramSpec, { coreRelocations: table }: FunctionSpec): void {
    const { btf } = this.#object;
    const { kinds, typeIds } = table;
    let isAny = false;
    for (let row = 0; row < kinds.length; row++) {
      if (!needsKernel(kinds[row])) continue;
      isAny = true;
      const typeId = typeIds[row] ?? 0;
      if (btf === undefined || typeId >= btf.endId || this.#typeIds.has(typeId)) continue;
      this.#typeIds.add(typeId);
      this.#addName(essentialName(btf.nameOf(typeId)), btf.kind(typeId));
    }
    if (!isAny) return;
    this.#require('types', () =>
      [...kinds.keys()]
        .filter((row) => needsKernel(kinds[row]))
        .map((row) => `program ${quote(program.name)}: CO-RE relocation ${accessOf(this.#object, table, row)}`),
    );
  }

  #addExtern(program: ProgramSpec, name: string): void {
    const extern = this.#object.externs.get(name);
    const declared = kernelExtern(this.#object.btf, extern);
    if (declared === undefined) return;
    if (declared.kind === 'symbol') {
      for (const wanted of namesOf(name)) this.#symbols.add(wanted);
      return;
    }
    const [noun, kind] =
      declared.kind === 'function' ? ['kernel function', BtfKind.FUNC] : ['kernel variable', BtfKind.VAR];
    this.#addName(essentialName(name), kind);
    if (kind === BtfKind.VAR) for (const wanted of namesOf(name)) this.#variables.add(wanted);
    if (extern?.weak === true) this.#optionalKernelBtf = true;
    else this.#require('ids', () => [`program ${quote(program.name)}: ${noun} ${quote(name)}`]);
  }

  #require(what: 'types' | 'ids', reason: () => readonly string[]): void {
    if (this.#optional) {
      this.#optionalKernelBtf = true;
      return;
    }
    if (what === 'ids') this.#kernelIds = true;
    this.#reasons.push(reason);
  }

  #addName(name: string, kind: BtfKind): void {
    const kinds = this.#typeNames.get(name);
    if (kinds === undefined) this.#typeNames.set(name, new Set([kind]));
    else kinds.add(kind);
  }
}
