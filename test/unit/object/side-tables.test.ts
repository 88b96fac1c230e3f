import { CodeBuilder } from '../../../lib/asm/index.js';
import { ByteWriter } from '../../../lib/binary/index.js';
import { BtfBuilder } from '../../../lib/btf/index.js';
import { SectionType } from '../../../lib/elf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';

type Rows = readonly (readonly number[])[];

/** One table of BTF.ext with the rows of one section. */
function table(littleEndian: boolean, columns: number, section: number, rows: Rows): Uint8Array {
  const writer = new ByteWriter({ littleEndian }).u32(columns * 4);
  writer.u32(section).u32(rows.length);
  for (const value of rows.flat()) writer.u32(value);
  return writer.toBytes();
}

interface Tables {
  functions?: Rows;
  lines?: Rows;
  coreRelocations?: Rows;
}

/** An object of two functions in `xdp`, "first" at 0 and "second" at 16, two instructions each. */
function object(tables: Tables, littleEndian = true, change: (elf: ElfBuilder) => void = () => undefined): Uint8Array {
  const elf = new ElfBuilder({ littleEndian });
  const btf = new BtfBuilder({ littleEndian });
  const int = btf.addInt('int', { size: 4, signed: true });
  const prototype = btf.addFunctionPrototype(int, []);
  btf.addFunction('first', prototype, 1);
  btf.addFunction('second', prototype, 1);
  const section = btf.string('xdp');
  const code = new CodeBuilder({ littleEndian }).move(0, 1).exit().move(0, 2).exit().toBytes();
  const index = elf.code('xdp', code);
  elf.function('first', index, 0, 16);
  elf.function('second', index, 16, 16);
  const parts = [
    table(littleEndian, 2, section, tables.functions ?? [[0, 3]]),
    table(littleEndian, 4, section, tables.lines ?? [[0, 0, 0, 1 << 10]]),
    tables.coreRelocations === undefined ? new Uint8Array(0) : table(littleEndian, 4, section, tables.coreRelocations),
  ];
  const extension = new ByteWriter({ littleEndian }).u16(0xeb9f).u8(1).u8(0).u32(32);
  let offset = 0;
  for (const part of parts) {
    extension.u32(offset).u32(part.byteLength);
    offset += part.byteLength;
  }
  for (const part of parts) extension.append(part);
  elf.section({ name: '.BTF', bytes: btf.encode() });
  elf.section({ name: '.BTF.ext', bytes: extension.toBytes() });
  change(elf);
  return elf.encode();
}

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('BTF.ext of a %s object', (_, littleEndian) => {
  test('is cut per function, offsets counted from its start', () => {
    const bytes = object(
      {
        functions: [
          [0, 3],
          [16, 4],
        ],
        lines: [
          [0, 0, 0, 10 << 10],
          [8, 0, 0, 11 << 10],
          [16, 0, 0, 20 << 10],
          [24, 0, 0, 21 << 10],
        ],
        coreRelocations: [[24, 1, 0, 8]],
      },
      littleEndian,
    );
    const spec = ObjectSpec.parse(bytes);
    const first = spec.program('first').function;
    const second = spec.program('second').function;
    expect([first.btfTypeId, second.btfTypeId]).toEqual([3, 4]);
    expect(Array.from(first.lines.offsets)).toEqual([0, 8]);
    expect(Array.from(first.lines.lineColumns, (word) => word >> 10)).toEqual([10, 11]);
    expect(Array.from(second.lines.offsets)).toEqual([0, 8]);
    expect(Array.from(second.lines.lineColumns, (word) => word >> 10)).toEqual([20, 21]);
    expect(first.coreRelocations.offsets).toHaveLength(0);
    expect(Array.from(second.coreRelocations.offsets)).toEqual([8]);
    expect(Array.from(second.coreRelocations.kinds)).toEqual([8]);
  });
});

test('rows out of order are sorted', () => {
  const bytes = object({
    lines: [
      [24, 0, 0, 21 << 10],
      [8, 0, 0, 11 << 10],
      [0, 0, 0, 10 << 10],
      [16, 0, 0, 20 << 10],
    ],
  });
  const { lines } = ObjectSpec.parse(bytes).program('second').function;
  expect(Array.from(lines.offsets)).toEqual([0, 8]);
  expect(Array.from(lines.lineColumns, (word) => word >> 10)).toEqual([20, 21]);
});

test('functions without information have none', () => {
  const second = ObjectSpec.parse(object({})).program('second').function;
  expect(second.btfTypeId).toBe(0);
  expect(second.lines.offsets).toHaveLength(0);
});

test('a function whose type is no function is refused', () => {
  expect(() => ObjectSpec.parse(object({ functions: [[16, 1]] }), { name: 'x' })).toThrow(
    'x, section .BTF.ext: the function at offset 16 of xdp has type 1, which is no function',
  );
});

test('a malformed BTF.ext is refused: without it programs would run unrelocated', () => {
  const bytes = object({});
  // The record size of the first table stands behind the header.
  const at = Buffer.from(bytes).lastIndexOf(Buffer.from([0x9f, 0xeb, 1, 0])) + 32;
  new DataView(bytes.buffer).setUint32(at, 3, true);
  expect(() => ObjectSpec.parse(bytes)).toThrow('section .BTF.ext');
});

test('BTF.ext without BTF says nothing', () => {
  const elf = new ElfBuilder();
  elf.section({ name: '.BTF.ext', bytes: new Uint8Array(3) });
  expect(ObjectSpec.parse(elf.encode()).btf).toBeUndefined();
});

test('BTF of the other byte order is refused', () => {
  const elf = new ElfBuilder({ littleEndian: true });
  elf.section({ name: '.BTF', bytes: new BtfBuilder({ littleEndian: false }).encode() });
  expect(() => ObjectSpec.parse(elf.encode())).toThrow("section .BTF, offset 0: its byte order is not the object's");
});

test.each([
  [
    'a second .BTF',
    (elf: ElfBuilder) => elf.section({ name: '.BTF', bytes: new Uint8Array(4) }),
    'there is a second section of that name',
  ],
  [
    'a second .BTF.ext',
    (elf: ElfBuilder) => elf.section({ name: '.BTF.ext', bytes: new Uint8Array(4) }),
    'there is a second section of that name',
  ],
])('%s is refused', (_, change, problem) => {
  expect(() => ObjectSpec.parse(object({}, true, change))).toThrow(problem);
});

test('.BTF without contents is refused', () => {
  const elf = new ElfBuilder();
  elf.section({ name: '.BTF', type: SectionType.NOBITS, size: 100 });
  expect(() => ObjectSpec.parse(elf.encode())).toThrow('section .BTF: section type 8 holds no contents');
});
