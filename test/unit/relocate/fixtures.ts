import { Btf, BtfBuilder, type BtfMember } from '../../../lib/btf/index.js';
import { type CoreAnswer, CoreResolver } from '../../../lib/relocate/core/core-resolver.js';

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
  ask(kind: number, name: string, access: string): CoreAnswer {
    const offset = this.#local.string(access);
    const local = Btf.parse(this.#local.encode(), { name: 'test.bpf.o' });
    const id = local.find(name);
    if (id === undefined) throw new Error(`the object has no type ${name}`);
    return new CoreResolver(local, this.target).resolve(kind, id, offset);
  }
}
