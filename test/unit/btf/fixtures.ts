import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { ByteReader } from '../../../lib/binary/index.js';
import { Btf, BtfBuilder, BtfLinkage } from '../../../lib/btf/index.js';

const samplesFolder = path.join(__dirname, '..', '..', '..', 'bpf-samples');

export interface Sample {
  readonly name: string;
  readonly sections: ReadonlyMap<string, Uint8Array>;
}

/** The compiled sample objects of the repository, cut into their sections. */
export function samples(): Sample[] {
  return readdirSync(samplesFolder)
    .filter((name) => name.endsWith('.o'))
    .sort()
    .map((name) => ({ name, sections: elfSections(readFileSync(path.join(samplesFolder, name))) }));
}

/** Just enough ELF for well-formed files. */
export function elfSections(bytes: Uint8Array): Map<string, Uint8Array> {
  const elf = new ByteReader(bytes, { littleEndian: bytes[5] === 1, object: 'sample' });
  const start = elf.u64AsNumber(40);
  const header = (index: number): { name: number; bytes: Uint8Array } => {
    const at = start + index * 64;
    const empty = elf.u32(at + 4) === 8; // SHT_NOBITS
    return {
      name: elf.u32(at),
      bytes: empty ? new Uint8Array() : elf.slice(elf.u64AsNumber(at + 24), elf.u64AsNumber(at + 32)),
    };
  };
  const names = new ByteReader(header(elf.u16(62)).bytes, { littleEndian: true, object: 'sample' });
  const sections = new Map<string, Uint8Array>();
  for (let index = 1; index < elf.u16(60); index++) {
    const { name, bytes: contents } = header(index);
    sections.set(names.string(name), contents);
  }
  return sections;
}

/** Ids of {@link everyKind}, by what they are. */
export interface EveryKind {
  readonly builder: BtfBuilder;
  readonly int: number;
  readonly long: number;
  readonly pointer: number;
  readonly array: number;
  readonly struct: number;
  readonly bitFields: number;
  readonly union: number;
  readonly enumeration: number;
  readonly forward: number;
  readonly typedef: number;
  readonly constant: number;
  readonly prototype: number;
  readonly function: number;
  readonly variable: number;
  readonly section: number;
  readonly float: number;
  readonly declarationTag: number;
  readonly typeTag: number;
  readonly enumeration64: number;
}

/** A BTF with each of the kinds 1 to 19. */
export function everyKind(littleEndian: boolean): EveryKind {
  const builder = new BtfBuilder({ littleEndian });
  const plain = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });
  const int = builder.addInt('int', { size: 4, signed: true });
  const bool = builder.addInt('_Bool', { size: 1, bool: true });
  const char = builder.addInt('char', { size: 1, char: true, signed: true });
  const long = builder.addInt('unsigned long', { size: 8 });
  const pointer = builder.addPointer(int);
  const array = builder.addArray(char, int, 16);
  const struct = builder.addStruct('thing', 32, [
    plain('pid', int, 0),
    plain('ok', bool, 32),
    plain('next', pointer, 64),
    plain('comm', array, 128),
  ]);
  const bitFields = builder.addStruct('fields', 4, [
    { name: 'a', type: int, bitOffset: 0, bitSize: 3 },
    { name: 'b', type: int, bitOffset: 3, bitSize: 29 },
  ]);
  const union = builder.addUnion('', 8, [plain('low', int, 0), plain('all', long, 0)]);
  const enumeration = builder.addEnum('colour', {
    signed: true,
    values: [
      { name: 'NONE', value: -1 },
      { name: 'RED', value: 0x7fff_ffff },
    ],
  });
  builder.addEnum('', { size: 1, values: [{ name: 'HIGH', value: 0xffff_ffff }] });
  const forward = builder.addForward('elsewhere', { union: true });
  builder.addForward('other');
  const typedef = builder.addTypedef('thing_t', struct);
  builder.addVolatile(int);
  const constant = builder.addConst(typedef);
  builder.addRestrict(pointer);
  const prototype = builder.addFunctionPrototype(int, [
    { name: 'context', type: pointer },
    { name: '', type: 0 },
  ]);
  const function_ = builder.addFunction('main', prototype, BtfLinkage.GLOBAL);
  builder.addFunction('helper', prototype, BtfLinkage.STATIC);
  const variable = builder.addVariable('counter', long, BtfLinkage.GLOBAL);
  const section = builder.addDataSection('.bss', 8, [{ type: variable, offset: 0, size: 8 }]);
  const float = builder.addFloat('double', 8);
  const declarationTag = builder.addDeclarationTag('exported', struct, 2);
  builder.addDeclarationTag('whole', struct);
  builder.addDeclarationTag('bpf_fastcall', function_, -1, { attribute: true });
  const typeTag = builder.addTypeTag('user', int);
  builder.addTypeTag('address_space(1)', int, { attribute: true });
  const enumeration64 = builder.addEnum64('wide', {
    signed: true,
    values: [
      { name: 'LEAST', value: -(1n << 63n) },
      { name: 'MOST', value: (1n << 63n) - 1n },
    ],
  });
  builder.addEnum64('flags', { values: [{ name: 'ALL', value: (1n << 64n) - 1n }] });
  return {
    builder,
    int,
    long,
    pointer,
    array,
    struct,
    bitFields,
    union,
    enumeration,
    forward,
    typedef,
    constant,
    prototype,
    function: function_,
    variable,
    section,
    float,
    declarationTag,
    typeTag,
    enumeration64,
  };
}

/** Every type of a BTF as objects, for comparison. */
export function allTypes(btf: Btf): unknown[] {
  return Array.from({ length: btf.endId - btf.startId }, (_, index) => btf.type(btf.startId + index));
}

export function parse(bytes: Uint8Array, base?: Btf): Btf {
  return Btf.parse(bytes, { name: 'test.o', base });
}
