import { AttachType, ProgramType } from '../../../lib/abi/index.js';
import { Btf, BtfBuilder, type BtfMember } from '../../../lib/btf/index.js';
import {
  type FunctionSpec,
  ObjectSpec,
  type ObjectSpecOptions,
  ProgramSpec,
  type ProgramSpecOptions,
} from '../../../lib/object/index.js';
import { ObjectBtf } from '../../../lib/object/object-btf.js';
import { describeAccess } from '../../../lib/relocate/core/access.js';
import { type CoreAnswer, CoreResolver } from '../../../lib/relocate/core/core-resolver.js';
import { type KernelFacts, type ProgramPlan, relocate } from '../../../lib/relocate/index.js';

/** A member that is no bit-field unless `bitSize` is given. */
export function member(name: string, type: number, bitOffset: number, bitSize = 0): BtfMember {
  return { name, type, bitOffset, bitSize };
}

export interface BasicTypes {
  readonly int: number;
  readonly u8: number;
  readonly u32: number;
  readonly u64: number;
  readonly long: number;
  readonly pointer: number;
}

/** `int`, `unsigned int`, … under six ids in a row. */
export function basicTypes(builder: BtfBuilder): BasicTypes {
  return {
    int: builder.addInt('int', { size: 4, signed: true }),
    u8: builder.addInt('unsigned char', { size: 1 }),
    u32: builder.addInt('unsigned int', { size: 4 }),
    u64: builder.addInt('unsigned long', { size: 8 }),
    long: builder.addInt('long', { size: 8, signed: true }),
    pointer: builder.addPointer(0),
  };
}

export type Build = (builder: BtfBuilder, types: BasicTypes) => void;

/** An object's types beside a kernel's, to be asked about. */
export class TwoSides {
  readonly target: Btf;
  readonly #local: BtfBuilder;

  constructor(local: Build, target: Build, options: { littleEndian?: boolean } = {}) {
    const littleEndian = options.littleEndian ?? true;
    this.#local = new BtfBuilder({ littleEndian });
    local(this.#local, basicTypes(this.#local));
    const builder = new BtfBuilder({ littleEndian });
    // Ids differ between the two sides, as they do in life: the first type of `target` has id 17, of `local` 7.
    for (let count = 0; count < 10; count++) builder.addTypedef(`unrelated_${count}`, 0);
    target(builder, basicTypes(builder));
    this.target = Btf.parse(builder.encode(), { name: 'vmlinux' });
  }

  /** Resolves a relocation of the object's first type of that name. */
  ask(kind: number, name: string, access: string): CoreAnswer & { readonly access: string } {
    const offset = this.#local.string(access);
    const local = Btf.parse(this.#local.encode(), { name: 'test.bpf.o' });
    const id = local.find(name);
    if (id === undefined) throw new Error(`the object has no type ${name}`);
    const answer = new CoreResolver(local, this.target).resolve(kind, id, offset);
    return { ...answer, access: describeAccess(answer.local) };
  }
}

const noColumn = new Uint32Array(0);

/** A function of an object made by hand; `lines` gives each instruction its own line, from 1. */
export function functionSpec(
  name: string,
  code: Uint8Array,
  fields: Partial<FunctionSpec> & { sectionOffset?: number } = {},
): FunctionSpec {
  return {
    key: name,
    name,
    section: '.text',
    sectionOffset: 0,
    linkage: 'global',
    hidden: false,
    code,
    littleEndian: true,
    references: [],
    btfTypeId: 0,
    lines: { offsets: noColumn, fileNames: noColumn, texts: noColumn, lineColumns: noColumn },
    coreRelocations: { offsets: noColumn, typeIds: noColumn, accessStrings: noColumn, kinds: noColumn },
    ...fields,
  };
}

/** One relocation per row. */
export function coreRelocations(
  ...rows: { offset: number; typeId: number; access: number; kind: number }[]
): FunctionSpec['coreRelocations'] {
  return {
    offsets: Uint32Array.from(rows, ({ offset }) => offset),
    typeIds: Uint32Array.from(rows, ({ typeId }) => typeId),
    accessStrings: Uint32Array.from(rows, ({ access }) => access),
    kinds: Uint32Array.from(rows, ({ kind }) => kind),
  };
}

/** An object of the given functions: those outside `.text` are raw tracepoint programs. */
export function objectOf(
  functions: readonly FunctionSpec[],
  options: Partial<ObjectSpecOptions> & { btf?: Btf } = {},
): ObjectSpec {
  const programs = functions.filter(({ section }) => section !== '.text');
  const { btf, ...others } = options;
  return new ObjectSpec({
    name: 'test.bpf.o',
    littleEndian: true,
    types: btf === undefined ? undefined : new ObjectBtf(btf, new Map()),
    functions: new Map(functions.filter(({ section }) => section === '.text').map((spec) => [spec.key, spec])),
    programs: new Map(programs.map((spec) => [spec.name, programSpec(spec)])),
    ...others,
  });
}

export function programSpec(spec: FunctionSpec, fields: Partial<ProgramSpecOptions> = {}): ProgramSpec {
  return new ProgramSpec({
    name: spec.name,
    section: spec.section,
    kind: 'raw_tp',
    type: ProgramType.RAW_TRACEPOINT,
    attachType: AttachType.CGROUP_INET_INGRESS,
    function: spec,
    ...fields,
  });
}

/** A kernel without BTF. */
export const facts: KernelFacts = { littleEndian: true, btf: undefined, possibleCpus: 6, pageSize: 4096 };

/** The only program of an object, relocated. */
export function relocateOne(object: ObjectSpec, kernel: Partial<KernelFacts> = {}): ProgramPlan {
  const [plan] = relocate(object, { ...facts, ...kernel }).programs();
  if (plan === undefined) throw new Error('the object has no program');
  return plan;
}
