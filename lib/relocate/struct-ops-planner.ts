import { MapFlag, ProgramType } from '../abi/index.js';
import { BtfKind, kindName, type Btf, type BtfComposite, type BtfMember } from '../btf/index.js';
import { escapeControl, quote, UnsupportedError, UsageError } from '../errors/index.js';
import type { MapSpec, ObjectSpec } from '../object/index.js';
import type { TargetType } from './attach-target.js';
import type { KernelFacts, StructOpsPlan } from './load-plan.js';
import { kernelStructOf, type StructOpsPlace, type StructOpsPlans } from './struct-ops.js';

/** What kernels have that link them: 68b04864ca42 "bpf: Create links for BPF struct_ops maps." */
const LINK_TYPE = 'bpf_struct_ops_link';

/** Of a pointer's eight bytes a program's descriptor takes the low four. */
const DESCRIPTOR_IN_POINTER = { little: 0, big: 4 } as const;

/** Fits struct_ops maps of an object to a kernel, one after the other. */
export class StructOpsPlanner {
  readonly #object: ObjectSpec;
  readonly #facts: KernelFacts;
  readonly #maps = new Map<string, StructOpsPlan>();
  readonly #programs = new Map<string, StructOpsPlace>();
  readonly #missing = new Set<string>();

  constructor(object: ObjectSpec, facts: KernelFacts) {
    this.#object = object;
    this.#facts = facts;
  }

  plans(): StructOpsPlans {
    // What one map has no member for another may use.
    const leftOut = new Set([...this.#missing].filter((name) => !this.#programs.has(name)));
    return { maps: this.#maps, programs: this.#programs, leftOut };
  }

  plan(map: MapSpec): void {
    const { btf } = this.#object;
    const kernel = this.#facts.btf;
    if (btf === undefined || kernel === undefined) return;
    const found = this.#find(map, btf, kernel);
    const { data, name } = found;
    this.#requireLinks(map, kernel);
    const ours = btf.type(map.valueType);
    const theirs = found.btf.type(data.type);
    if (ours.kind !== BtfKind.STRUCT || theirs.kind !== BtfKind.STRUCT) return;
    const value = new Uint8Array(found.btf.sizeOf(found.valueTypeId));
    const structure = new StructureCopy(map, { btf, type: ours }, { btf: found.btf, type: theirs });
    const target: TargetType = { id: data.type, module: found.module };
    const operations = new Map(map.operations);
    const programs: { program: string; offset: number }[] = [];
    for (const member of ours.members) {
      const program = operations.get(member.name);
      operations.delete(member.name);
      const index = structure.copy(member, value.subarray(data.bitOffset / 8), program !== undefined);
      if (program === undefined) continue;
      if (index === undefined) {
        this.#missing.add(program);
        continue;
      }
      this.#place(map, member.name, program, { structure: target, memberIndex: index });
      const place = DESCRIPTOR_IN_POINTER[this.#facts.littleEndian ? 'little' : 'big'];
      programs.push({ program, offset: (data.bitOffset + (theirs.members[index]?.bitOffset ?? 0)) / 8 + place });
    }
    for (const unknown of operations.keys()) {
      const what = `member of struct ${escapeControl(name)} in map ${quote(map.name)}`;
      throw UsageError.notFound(
        what,
        unknown,
        ours.members.map((member) => member.name),
      );
    }
    this.#maps.set(map.name, { valueTypeId: found.valueTypeId, module: found.module, value, programs });
  }

  /** The type of the map's value, in the kernel's types or those of the first module that has it. */
  #find(map: MapSpec, local: Btf, kernel: Btf): KernelValue {
    const { name, valueName } = kernelStructOf(map, local);
    for (const btf of [kernel, ...(this.#facts.modules ?? [])]) {
      for (const id of btf.findAll(valueName, BtfKind.STRUCT)) {
        if (id < btf.startId) continue;
        const type = btf.type(id);
        if (type.kind !== BtfKind.STRUCT) continue;
        const data = type.members.find(
          (each) => btf.kind(each.type) === BtfKind.STRUCT && btf.nameOf(each.type) === name,
        );
        const module = btf === kernel ? undefined : btf.name;
        if (data !== undefined) return { name, btf, valueTypeId: id, data, module };
      }
    }
    if (kernel.find(name, BtfKind.STRUCT) === undefined) {
      throw new UnsupportedError(
        `struct ${escapeControl(name)}`,
        `neither this kernel nor a loaded module has such a structure for map ${quote(map.name)}`,
      );
    }
    throw new UnsupportedError(
      `programs for struct ${escapeControl(name)}`,
      `this kernel does not let map ${quote(map.name)} implement it: its BTF has no fitting struct ${escapeControl(valueName)}`,
    );
  }

  #requireLinks(map: MapSpec, kernel: Btf): void {
    if ((map.flags & MapFlag.LINK) === 0 || kernel.find(LINK_TYPE) !== undefined) return;
    throw new UnsupportedError(
      'the section ".struct_ops.link"',
      `this kernel registers structures only without links; put ${quote(map.name)} into the section ".struct_ops"`,
      { since: '6.4' },
    );
  }

  #place(map: MapSpec, member: string, name: string, place: StructOpsPlace): void {
    const path = `maps.${map.name}.operations.${member}`;
    const program = this.#object.programs.get(name);
    if (program === undefined) throw UsageError.notFound(`program for ${path}`, name, this.#object.programs.keys());
    if (program.type !== ProgramType.STRUCT_OPS) {
      throw UsageError.invalidValue(
        path,
        `program ${quote(name)} of section ${quote(program.section)} is no struct_ops program`,
      );
    }
    const before = this.#programs.get(name);
    if (before !== undefined && !isSame(before, place)) {
      throw UsageError.invalidValue(
        path,
        `program ${quote(name)} implements another member already; it can be only one`,
      );
    }
    this.#programs.set(name, place);
  }
}

function isSame(a: StructOpsPlace, b: StructOpsPlace): boolean {
  const sameStructure = a.structure.id === b.structure.id && a.structure.module === b.structure.module;
  return sameStructure && a.memberIndex === b.memberIndex;
}

/** The type of a struct_ops map's value in the kernel. */
interface KernelValue {
  /** The structure's. */
  readonly name: string;
  readonly btf: Btf;
  readonly valueTypeId: number;
  /** The structure within the value. */
  readonly data: BtfMember;
  /** The module that has the types; undefined for the kernel proper. */
  readonly module: string | undefined;
}

interface Structure {
  readonly btf: Btf;
  readonly type: BtfComposite;
}

/** Copies members of the object's structure into the kernel's. */
class StructureCopy {
  readonly #map: MapSpec;
  readonly #ours: Structure;
  readonly #theirs: Structure;
  readonly #bytes: Uint8Array;

  constructor(map: MapSpec, ours: Structure, theirs: Structure) {
    this.#map = map;
    this.#ours = ours;
    this.#theirs = theirs;
    this.#bytes = map.initialValue ?? new Uint8Array(map.valueSize);
    if (this.#bytes.byteLength === ours.type.size) return;
    throw UsageError.invalidValue(
      `maps.${map.name}.initialValue`,
      `${this.#bytes.byteLength} bytes were given for struct ${ours.type.name}, which has ${ours.type.size}`,
    );
  }

  /** The index of the kernel's member; undefined when it has none and none is needed. */
  copy(member: BtfMember, value: Uint8Array, isProgram: boolean): number | undefined {
    const { btf } = this.#ours;
    if (member.bitSize !== 0) throw this.#error(member, 'bit-fields cannot be given to the kernel');
    const start = member.bitOffset / 8;
    const bytes = this.#bytes.subarray(start, start + btf.sizeOf(member.type));
    const index = this.#theirs.type.members.findIndex(({ name }) => name === member.name);
    const found = this.#theirs.type.members[index];
    if (member.name === '' || found === undefined) {
      if (isProgram || bytes.every((byte) => byte === 0)) return undefined;
      throw this.#error(member, 'this kernel has no such member, and the object gives it a value');
    }
    if (found.bitSize !== 0) throw this.#error(member, "it is a bit-field in the kernel's structure");
    const kind = btf.kind(btf.skipModifiers(member.type));
    const theirs = this.#theirs.btf;
    const theirKind = theirs.kind(theirs.skipModifiers(found.type));
    if (kind !== theirKind) {
      throw this.#error(
        member,
        `it is of kind ${kindName(kind)} here and of kind ${kindName(theirKind)} in this kernel`,
      );
    }
    if (kind === BtfKind.PTR) {
      this.#checkPointer(member, found, bytes, isProgram);
    } else {
      if (isProgram) throw this.#error(member, 'a program is put where no function goes');
      const size = theirs.sizeOf(found.type);
      if (size !== bytes.byteLength) {
        throw this.#error(member, `it has ${bytes.byteLength} bytes here and ${size} in this kernel`);
      }
      value.set(bytes, found.bitOffset / 8);
    }
    return index;
  }

  /** Programs are put in later; no other address means anything to the kernel. */
  #checkPointer(member: BtfMember, found: BtfMember, bytes: Uint8Array, isProgram: boolean): void {
    if (!isProgram) {
      if (bytes.some((byte) => byte !== 0)) throw this.#error(member, 'only programs can be put into pointers');
      return;
    }
    const { btf } = this.#theirs;
    const pointer = btf.type(btf.skipModifiers(found.type));
    const target = pointer.kind === BtfKind.PTR ? btf.kind(btf.skipModifiers(pointer.type)) : undefined;
    if (target !== BtfKind.FUNC_PROTO) throw this.#error(member, 'in this kernel it is no pointer to a function');
  }

  #error(member: BtfMember, problem: string): UnsupportedError {
    const struct = escapeControl(this.#theirs.type.name);
    const feature = `member ${quote(member.name)} of struct ${struct}`;
    return new UnsupportedError(feature, `map ${quote(this.#map.name)}: ${problem}`);
  }
}
