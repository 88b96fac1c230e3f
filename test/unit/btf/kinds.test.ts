import { BtfBuilder, BtfKind, BtfLinkage } from '../../../lib/btf/index.js';
import { allTypes, everyKind, parse } from './fixtures.js';

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('%s', (_, littleEndian) => {
  const ids = everyKind(littleEndian);
  const bytes = ids.builder.encode();
  const btf = parse(bytes);

  test('the byte order is told by the magic number', () => {
    expect([...bytes.subarray(0, 2)]).toEqual(littleEndian ? [0x9f, 0xeb] : [0xeb, 0x9f]);
    expect(btf.littleEndian).toBe(littleEndian);
  });

  test('has a type of each kind, and void as type 0', () => {
    const kinds = new Set(Array.from({ length: btf.endId }, (_unused, id) => btf.kind(id)));
    expect([...kinds].sort((a, b) => a - b)).toEqual(Object.values(BtfKind));
    expect(btf.type(0)).toEqual({ kind: BtfKind.VOID, id: 0, name: '' });
  });

  test.each([
    [ids.int, { kind: 1, name: 'int', size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false }],
    [ids.long, { kind: 1, name: 'unsigned long', size: 8, bits: 64, bitOffset: 0, signed: false }],
    [ids.pointer, { kind: 2, name: '', type: ids.int }],
    [ids.array, { kind: 3, elementType: 3, indexType: ids.int, length: 16 }],
    [
      ids.struct,
      {
        kind: 4,
        name: 'thing',
        size: 32,
        members: [
          { name: 'pid', type: ids.int, bitOffset: 0, bitSize: 0 },
          { name: 'ok', type: 2, bitOffset: 32, bitSize: 0 },
          { name: 'next', type: ids.pointer, bitOffset: 64, bitSize: 0 },
          { name: 'comm', type: ids.array, bitOffset: 128, bitSize: 0 },
        ],
      },
    ],
    [
      ids.bitFields,
      {
        kind: 4,
        members: [
          { name: 'a', type: ids.int, bitOffset: 0, bitSize: 3 },
          { name: 'b', type: ids.int, bitOffset: 3, bitSize: 29 },
        ],
      },
    ],
    [ids.union, { kind: 5, name: '', size: 8 }],
    [
      ids.enumeration,
      {
        kind: 6,
        size: 4,
        signed: true,
        values: [
          { name: 'NONE', value: -1 },
          { name: 'RED', value: 0x7fff_ffff },
        ],
      },
    ],
    [ids.enumeration + 1, { kind: 6, size: 1, signed: false, values: [{ name: 'HIGH', value: 0xffff_ffff }] }],
    [ids.forward, { kind: 7, name: 'elsewhere', union: true }],
    [ids.forward + 1, { kind: 7, name: 'other', union: false }],
    [ids.typedef, { kind: 8, name: 'thing_t', type: ids.struct }],
    [ids.typedef + 1, { kind: 9, type: ids.int }],
    [ids.constant, { kind: 10, type: ids.typedef }],
    [ids.constant + 1, { kind: 11, type: ids.pointer }],
    [ids.function, { kind: 12, name: 'main', type: ids.prototype, linkage: BtfLinkage.GLOBAL }],
    [
      ids.prototype,
      {
        kind: 13,
        returnType: ids.int,
        parameters: [
          { name: 'context', type: ids.pointer },
          { name: '', type: 0 },
        ],
      },
    ],
    [ids.variable, { kind: 14, name: 'counter', type: ids.long, linkage: BtfLinkage.GLOBAL }],
    [ids.section, { kind: 15, name: '.bss', size: 8, entries: [{ type: ids.variable, offset: 0, size: 8 }] }],
    [ids.float, { kind: 16, name: 'double', size: 8 }],
    [ids.declarationTag, { kind: 17, name: 'exported', type: ids.struct, componentIndex: 2 }],
    [ids.declarationTag + 1, { kind: 17, name: 'whole', componentIndex: -1 }],
    [ids.declarationTag + 2, { kind: 17, name: 'bpf_fastcall', type: ids.function, attribute: true }],
    [ids.typeTag, { kind: 18, name: 'user', type: ids.int, attribute: false }],
    [ids.typeTag + 1, { kind: 18, name: 'address_space(1)', type: ids.int, attribute: true }],
    [
      ids.enumeration64,
      {
        kind: 19,
        size: 8,
        signed: true,
        values: [
          { name: 'LEAST', value: -(1n << 63n) },
          { name: 'MOST', value: (1n << 63n) - 1n },
        ],
      },
    ],
    [ids.enumeration64 + 1, { kind: 19, signed: false, values: [{ name: 'ALL', value: (1n << 64n) - 1n }] }],
  ])('type %i reads as it was built', (id, expected) => {
    expect(btf.type(id)).toMatchObject({ id, ...expected });
    expect(btf.kind(id)).toBe(expected.kind);
    expect(btf.nameOf(id)).toBe(btf.type(id).name);
  });

  test('a type is one object, however often it is asked for', () => {
    expect(btf.type(ids.struct)).toBe(btf.type(ids.struct));
  });

  test('is valid', () => {
    expect(() => {
      btf.validate();
    }).not.toThrow();
  });

  test('types added one by one to another builder encode to the same bytes', () => {
    const again = new BtfBuilder({ littleEndian });
    for (let id = 1; id < btf.endId; id++) expect(again.add(btf.type(id))).toBe(id);
    expect(again.encode()).toEqual(bytes);
  });

  test('BtfBuilder.from continues ids and shares strings', () => {
    const again = BtfBuilder.from(btf);
    expect(again.encode()).toEqual(bytes);
    const id = again.addTypedef('int', ids.int);
    expect(id).toBe(btf.endId);
    const extended = parse(again.encode());
    expect(extended.findAll('int')).toEqual([ids.int, id]);
    expect(extended.stringsEnd).toBe(btf.stringsEnd);
    expect(allTypes(extended).slice(0, -1)).toEqual(allTypes(btf));
  });

  test('reads at any alignment', () => {
    for (let shift = 0; shift < 4; shift++) {
      const moved = new Uint8Array(bytes.length + shift).subarray(shift);
      moved.set(bytes);
      expect(allTypes(parse(moved))).toEqual(allTypes(btf));
    }
  });
});
