import { MapType } from '../../../lib/abi/index.js';
import { CodeBuilder } from '../../../lib/asm/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const names = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '*/ process.exit(1) /*',
  '`${process.exit(1)}`',
  'quote"and\'more',
  'line\nbreak',
  '\u001b[2Jescape',
  'right-to-left \u202e override',
  ' ',
  'x'.repeat(5_000),
];

test.each(names)('%j is a name like any other', (name) => {
  const builder = new ObjectBuilder();
  const struct = builder.btf.addStruct(name, 8, [
    { name, type: builder.u32, bitOffset: 0, bitSize: 0 },
    { name: 'plain', type: builder.u32, bitOffset: 32, bitSize: 0 },
  ]);
  builder.map(name, [
    ['type', builder.uint(MapType.HASH)],
    ['value', builder.typed(struct)],
  ]);
  builder.variables('.data', [{ name: `${name}_v`, type: struct, size: 8 }], Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
  builder.elf.function(
    name,
    builder.elf.code(`tp/${name}`, new CodeBuilder({ littleEndian: true }).exit().toBytes()),
    0,
    8,
  );
  const spec = ObjectSpec.parse(builder.encode(), { name: `${name}.o` }).clone();

  expect(spec.map(name)).toMatchObject({ name, valueSize: 8 });
  expect(spec.map(name).kernelName).toMatch(/^[A-Za-z0-9_.]{1,15}$/);
  expect(spec.map('.data').kernelName).toMatch(/^[A-Za-z0-9_.]{1,15}$/);
  expect(spec.program(name)).toMatchObject({ name, attachTo: name });
  const { value } = spec.variable(`${name}_v`);
  expect(Object.entries(value as object)).toEqual([
    [name, 1],
    ['plain', 2],
  ]);
  expect(Object.getPrototypeOf(value as object)).toBe(
    Object.getPrototypeOf(spec.variable(`${name}_v`).value as object),
  );
  expect(({} as Record<string, unknown>)['plain']).toBeUndefined();
});

test('names in messages carry no control characters', () => {
  const builder = new ObjectBuilder();
  builder.map('bad\u001b[31m\nname', [['no\u0007type', builder.uint(1)]]);
  let message = '';
  try {
    ObjectSpec.parse(builder.encode(), { name: 'file\r.o' });
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toBe(
    'file\\x0d.o, section .maps, offset 0: map "bad\\x1b[31m\\x0aname", attribute "no\\x07type": the attribute is unknown',
  );
});
