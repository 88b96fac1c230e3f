import { Btf } from '../../../lib/btf/index.js';
import {
  LayoutCodec,
  array,
  be16,
  be32,
  be64,
  bool,
  btfOfLayouts,
  bytes,
  checkLayout,
  codecFromBtf,
  cstr,
  f32,
  f64,
  i16,
  i64,
  pointer,
  struct,
  u32,
  u64,
  u8,
  type Layout,
} from '../../../lib/codec/index.js';
import { built } from './support.js';

function typesOf(...layouts: Layout[]): { btf: Btf; ids: readonly number[] } {
  const made = btfOfLayouts(layouts);
  if (made === undefined) throw new Error('there is no BTF of these');
  return { btf: Btf.parse(made.bytes, { name: 'made' }), ids: made.typeIds };
}

const Part = struct('part', { port: be16, flags: u8 });
const Whole = struct('whole', {
  count: u64,
  signed: i64,
  small: i16,
  address: be32,
  cookie: be64,
  open: bool,
  ratio: f32,
  exact: f64,
  where: pointer,
  name: cstr(12),
  hardware: bytes(6),
  parts: array(Part, 3),
  matrix: array(array(u32, 2), 2),
});
const value = {
  count: 2n ** 63n,
  signed: -5n,
  small: -300,
  address: 0x0a000001,
  cookie: 7n,
  open: true,
  ratio: 0.5,
  exact: -1.25,
  where: 0xffff_8000_0000_0000n,
  name: 'a name',
  hardware: Uint8Array.of(1, 2, 3, 4, 5, 6),
  parts: [1, 2, 3].map((port) => ({ port, flags: port })),
  matrix: [
    [1, 2],
    [3, 4],
  ],
};

test('BTF of a declared struct decodes what the struct encodes, and the declaration fits it', () => {
  const { btf, ids } = typesOf(u32.layout, Whole.layout);
  const [key = 0, whole = 0] = ids;
  const codec = codecFromBtf(btf, whole);
  expect([codec.typeName, codec.size, codecFromBtf(btf, key).size]).toEqual(['struct whole', Whole.size, 4]);
  const view = new DataView(new ArrayBuffer(Whole.size));
  Whole.encode(value, view, 0);
  expect(codec.decode(view, 0)).toEqual(value);
  const again = new DataView(new ArrayBuffer(Whole.size));
  codec.encode(value, again, 0);
  expect(again).toEqual(view);
  expect(() => {
    checkLayout(Whole, btf, whole);
  }).not.toThrow();
});

test('types that occur twice are there once', () => {
  const { btf, ids } = typesOf(Part.layout, Part.layout, array(Part, 2).layout);
  expect(ids[0]).toBe(ids[1]);
  const structs = [...Array(btf.endId - 1).keys()].filter((id) => btf.nameOf(id + 1) === 'part');
  expect(structs).toHaveLength(1);
});

test('what came from BTF goes there again: unions, bit-fields, enumerations, locks', () => {
  const { codec } = built((t) => {
    const choice = t.builder.addUnion('', 4, [
      { name: 'word', type: t.u32, bitOffset: 0, bitSize: 0 },
      { name: 'octets', type: t.array(t.u8, 4), bitOffset: 0, bitSize: 0 },
    ]);
    const colour = t.builder.addEnum('colour', { signed: true, values: [{ name: 'RED', value: -1 }] });
    const lock = t.builder.addStruct('bpf_spin_lock', 4, [{ name: 'val', type: t.u32, bitOffset: 0, bitSize: 0 }]);
    return t.struct('mixed', 20, [
      ['', choice, 0],
      ['low', t.u32, 32, 3],
      ['high', t.u32, 35, 29],
      ['colour', colour, 8],
      ['lock', lock, 12],
      ['last', t.u32, 16],
    ]);
  });
  const { btf, ids } = typesOf(codec.layout);
  const again = codecFromBtf(btf, ids[0] ?? 0);
  const mixed = { octets: Uint8Array.of(1, 2, 3, 4), low: 5, high: 1000, colour: -1, last: 9 };
  const view = new DataView(new ArrayBuffer(20));
  codec.encode(mixed, view, 0);
  const other = new DataView(new ArrayBuffer(20));
  again.encode(mixed, other, 0);
  expect(other).toEqual(view);
  expect(again.decode(view, 0)).toEqual(codec.decode(view, 0));
});

test('of pointers that are the kernel’s own there is no BTF', () => {
  const opaque: Layout = { kind: 'opaque', typeName: 'struct task_struct *', size: 8, alignment: 8 };
  expect(btfOfLayouts([opaque])).toBeUndefined();
  expect(btfOfLayouts([new LayoutCodec(opaque).layout, u32.layout])).toBeUndefined();
});
