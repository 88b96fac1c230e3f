import { hostIsLittleEndian } from '../../../lib/binary/index.js';
import { Btf, BtfKind } from '../../../lib/btf/index.js';
import { btfOfLayouts, codecFromBtf, type Layout } from '../../../lib/codec/index.js';
import { everything } from './every-layout.js';
import { Types } from './support.js';

/** The layout as BTF has it again. */
function again(layout: Layout): Layout {
  const made = btfOfLayouts([layout]);
  const btf = Btf.parse(made?.bytes ?? new Uint8Array(), { name: 'made' });
  btf.validate();
  return codecFromBtf(btf, made?.typeIds[0] ?? 0).layout;
}

/** Sizes, places and kinds, without the names of types. */
function shape(layout: Layout): unknown {
  switch (layout.kind) {
    case 'struct':
    case 'union':
      return [
        layout.kind,
        layout.size,
        layout.members.map(({ name, offset, layout: type, bits }) => [name, offset, bits, shape(type)]),
      ];
    case 'array':
      return [layout.length, shape(layout.element)];
    case 'enum':
      return [layout.values, shape(layout.integer)];
    case 'integer':
      return [layout.kind, layout.size, layout.signed, layout.byteOrder];
    default:
      return [layout.kind, layout.size];
  }
}

test('layouts of every kind are the same by the BTF that is made of them', () => {
  const btf = everything(new Types(hostIsLittleEndian)).btf();
  const { layout } = codecFromBtf(btf, btf.find('everything', BtfKind.STRUCT) ?? 0);
  expect(shape(again(layout))).toEqual(shape(layout));
});

test('a layout that occurs twice is one type, and each of several has its id', () => {
  const btf = everything(new Types(hostIsLittleEndian)).btf();
  const { layout } = codecFromBtf(btf, btf.find('point', BtfKind.STRUCT) ?? 0);
  const made = btfOfLayouts([layout, layout]);
  expect(made?.typeIds).toHaveLength(2);
  expect(made?.typeIds[0]).toBe(made?.typeIds[1]);
});

test('of what only the kernel may follow there is no BTF', () => {
  const kernelPointer: Layout = { kind: 'opaque', typeName: 'struct task_struct *', size: 8, alignment: 8 };
  const holder: Layout = {
    kind: 'struct',
    typeName: 'struct holder',
    size: 8,
    alignment: 8,
    members: [{ name: 'task', offset: 0, layout: kernelPointer, bits: undefined }],
  };
  expect(btfOfLayouts([kernelPointer])).toBeUndefined();
  expect(btfOfLayouts([holder])).toBeUndefined();
  expect(
    btfOfLayouts([
      { kind: 'array', typeName: 'x', size: 8, alignment: 8, element: kernelPointer, length: 1, flexible: false },
    ]),
  ).toBeUndefined();
});

test('floats of four bytes, enumerations of eight, and names that are no tags', () => {
  const float: Layout = { kind: 'float', typeName: 'f32', size: 4, alignment: 4 };
  const integer = {
    kind: 'integer',
    typeName: 'x',
    size: 4,
    alignment: 4,
    signed: true,
    byteOrder: 'little',
    wide: 'bigint',
  } as const;
  const union: Layout = {
    kind: 'union',
    typeName: 'union a b',
    size: 4,
    alignment: 4,
    members: [
      { name: 'f', offset: 0, layout: float, bits: undefined },
      { name: 'i', offset: 0, layout: integer, bits: undefined },
    ],
  };
  expect(shape(again(union))).toEqual(shape(union));
});
