import { ByteWriter } from '../../../lib/binary/index.js';
import { Btf, BtfBuilder, BtfKind, essentialName } from '../../../lib/btf/index.js';
import { allTypes, everyKind, parse } from './fixtures.js';

const member = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });

/** The same BTF behind the header of Linux 7.1, with a layout section that says what each kind's records look like. */
function withLongHeader(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const types = view.getUint32(12, true);
  const strings = view.getUint32(20, true);
  const layout = 20 * 4;
  const writer = new ByteWriter({ littleEndian: true }).append(bytes.subarray(0, 4)).u32(32);
  writer.u32(0).u32(types).u32(types).u32(strings);
  writer.u32(types + strings).u32(layout);
  return writer.append(bytes.subarray(24)).append(new Uint8Array(layout)).toBytes();
}

describe('header', () => {
  const { builder } = everyKind(true);
  const bytes = builder.encode();

  test('the longer header of newer kernels is read, its layout section ignored', () => {
    expect(allTypes(parse(withLongHeader(bytes)))).toEqual(allTypes(parse(bytes)));
  });

  test('bits 16 to 23 of the info word belong to the count, as kernels from 7.1 on write it', () => {
    const many = 70_000;
    const writer = new ByteWriter({ littleEndian: true }).u16(0xeb9f).u8(1).u8(0).u32(24);
    const types = 12 + many * 12 + 16;
    writer
      .u32(0)
      .u32(types)
      .u32(types)
      .u32(1)
      .u32(0)
      .u32((4 << 24) | many)
      .u32(0);
    for (let index = 0; index < many; index++) writer.u32(0).u32(2).u32(0);
    writer
      .u32(0)
      .u32(1 << 24)
      .u32(4)
      .u32(32)
      .u8(0);
    const btf = parse(writer.toBytes());
    expect(btf.endId).toBe(3);
    expect(btf.type(1)).toMatchObject({ members: { length: many } });
    expect(btf.sizeOf(2)).toBe(4);
  });

  test('a BTF without types has void alone', () => {
    const btf = parse(new BtfBuilder({ littleEndian: true }).encode());
    expect([btf.startId, btf.endId]).toEqual([1, 1]);
    expect(btf.find('int')).toBeUndefined();
    btf.validate();
  });
});

describe('names', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const int = builder.addInt('int', { size: 4 });
  const struct = builder.addStruct('task', 4, [member('task', int, 0)]);
  const typedef = builder.addTypedef('task', struct);
  const flavoured = builder.addStruct('task___old', 4, []);
  const twice = builder.addStruct('task___old___older', 4, []);
  const unicode = builder.addStruct('größe', 4, []);
  const btf = parse(builder.encode());

  test('find gives the first, of the kind that is asked for', () => {
    expect(btf.find('task')).toBe(struct);
    expect(btf.find('task', BtfKind.TYPEDEF)).toBe(typedef);
    expect(btf.find('task', BtfKind.UNION)).toBeUndefined();
    expect(btf.find('größe')).toBe(unicode);
  });

  test('findAll gives every one, ascending', () => {
    expect(btf.findAll('task')).toEqual([struct, typedef]);
    expect(btf.findAll('task', BtfKind.STRUCT)).toEqual([struct]);
    expect(btf.findAll('tas')).toEqual([]);
  });

  test.each(['', 'int\0', 'task\0task', '\0', 'in', 'intt'])('%j is no type', (name) => {
    expect(btf.find(name)).toBeUndefined();
    expect(btf.findByEssentialName(name)).toEqual([]);
  });

  test('flavours are found by the essential name, which loses one of them', () => {
    expect(btf.findByEssentialName('task')).toEqual([struct, typedef, flavoured]);
    expect(btf.findByEssentialName('task___old')).toEqual([twice]);
    expect(btf.findByEssentialName('task___old___older')).toEqual([]);
    expect(btf.findByEssentialName('int')).toEqual([int]);
  });

  test.each([
    ['task_struct', 'task_struct'],
    ['task_struct___old', 'task_struct'],
    ['a___b', 'a'],
    ['a___b___c', 'a___b'],
    ['a____b', 'a____b'],
    ['___a', '___a'],
    ['a___', 'a___'],
    ['__a___b', '__a'],
    ['', ''],
  ])('the essential name of %j is %j', (name, expected) => {
    expect(essentialName(name)).toBe(expected);
  });

  test('the index of names agrees with essentialName for every spelling', () => {
    const names = [
      'a___b',
      'a____b',
      '_a___b',
      'a___b___c',
      '___a',
      'a___',
      'x',
      'a___b_',
      '_____x',
      `${'n'.repeat(300)}___v`,
    ];
    const spelled = new BtfBuilder({ littleEndian: true });
    const ids = names.map((name) => spelled.addStruct(name, 0, []));
    const index = parse(spelled.encode());
    names.forEach((name, position) => {
      expect(index.findByEssentialName(essentialName(name))).toContain(ids[position]);
    });
  });
});

describe('split BTF', () => {
  const base = parse(everyKind(true).builder.encode());
  const builder = new BtfBuilder({ littleEndian: true, base });
  const int = base.find('int') ?? 0;
  const pointer = builder.addPointer(int);
  const struct = builder.addStruct('module_thing', 16, [member('pid', int, 0), member('next', pointer, 64)]);
  const thing = builder.addStruct('thing___module', 8, []);
  const bytes = builder.encode();
  const btf = parse(bytes, base);

  test('ids and strings continue those of the base', () => {
    expect([btf.startId, btf.endId]).toEqual([base.endId, base.endId + 3]);
    expect(btf.type(struct)).toMatchObject({ name: 'module_thing', members: [{ name: 'pid' }, { name: 'next' }] });
    expect(btf.type(int)).toBe(base.type(int));
    expect(btf.nameOf(int)).toBe('int');
    expect(btf.kind(0)).toBe(BtfKind.VOID);
    btf.validate();
  });

  test('queries look in the base first', () => {
    expect(btf.find('int')).toBe(int);
    expect(btf.find('module_thing')).toBe(struct);
    expect(base.find('module_thing')).toBeUndefined();
    expect(btf.findByEssentialName('thing')).toEqual([base.find('thing'), thing]);
  });

  test('a string that the base has is not repeated, and names a type of the split part as well', () => {
    const borrowed = new BtfBuilder({ littleEndian: true, base });
    const id = borrowed.addTypedef('own', int);
    const encoded = borrowed.encode();
    // Let the typedef be named by the base's string "int".
    new DataView(encoded.buffer).setUint32(24, base.table.words[base.table.offsets[int - 1] ?? 0] ?? 0, true);
    const renamed = parse(encoded, base);
    expect(renamed.nameOf(id)).toBe('int');
    expect(renamed.findAll('int')).toEqual([int, id]);
  });

  test('sizes reach into the base', () => {
    expect(btf.sizeOf(struct)).toBe(16);
    expect(btf.alignmentOf(struct)).toBe(8);
    expect(btf.skipModifiers(base.find('thing_t') ?? 0)).toBe(base.find('thing'));
  });

  test('a base of the other byte order is refused', () => {
    const other = parse(everyKind(false).builder.encode());
    expect(() => parse(bytes, other)).toThrow('its byte order is not that of its base "test.o"');
  });
});

describe('sizes and alignments', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const char = builder.addInt('char', { size: 1, char: true });
  const long = builder.addInt('long', { size: 8, signed: true });
  const wide = builder.addInt('__int128', { size: 16, bits: 128 });
  const pointer = builder.addPointer(0);
  const matrix = builder.addArray(builder.addArray(long, char, 3), char, 5);
  const packed = builder.addStruct('packed', 9, [member('a', char, 0), member('b', long, 8)]);
  const natural = builder.addStruct('natural', 16, [member('a', char, 0), member('b', long, 64)]);
  const longDouble = builder.addFloat('long double', 12);
  const enumeration = builder.addEnum('e', { size: 2, values: [] });
  const alias = builder.addTypedef('alias', builder.addConst(builder.addVolatile(builder.addTypeTag('t', natural))));
  const forward = builder.addForward('gone');
  const prototype = builder.addFunctionPrototype(0, []);
  const variable = builder.addVariable('v', matrix, 1);
  const huge = builder.addArray(builder.addArray(long, char, 0x1000_0000), char, 0x1000_0000);
  const most = builder.addArray(char, char, 0xffff_ffff);
  const toVoid = builder.addTypedef('nothing', 0);
  const btf = parse(builder.encode());

  test.each([
    ['char', char, 1, 1],
    ['long', long, 8, 8],
    ['__int128', wide, 16, 8],
    ['pointer', pointer, 8, 8],
    ['array of arrays', matrix, 120, 8],
    ['packed struct', packed, 9, 1],
    ['struct', natural, 16, 8],
    ['float of 12 bytes', longDouble, 12, 4],
    ['enum of 2 bytes', enumeration, 2, 2],
    ['typedef of a qualified struct', alias, 16, 8],
    ['variable', variable, 120, 8],
    ['array of nearly 4 GiB', most, 0xffff_ffff, 1],
  ])('%s', (_, id, size, alignment) => {
    expect(btf.sizeOf(id)).toBe(size);
    expect(btf.alignmentOf(id)).toBe(alignment);
  });

  test.each([
    ['forward declaration', forward, /has no size: it is FWD/],
    ['function type', prototype, /has no size: it is FUNC_PROTO/],
    ['void', 0, /has no size: it is VOID/],
    ['typedef of void', toVoid, /has no size: it leads to VOID \(type 0\)/],
    ['array of more than 4 GiB', huge, /is larger than 4 GiB/],
  ])('%s has none', (_, id, message) => {
    expect(() => btf.sizeOf(id)).toThrow(message);
  });

  test('skipModifiers goes through all five kinds, and stays where there are none', () => {
    expect(btf.skipModifiers(alias)).toBe(natural);
    expect(btf.skipModifiers(natural)).toBe(natural);
    expect(btf.skipModifiers(0)).toBe(0);
    expect(btf.skipModifiers(toVoid)).toBe(0);
  });

  test('structs nested 60 levels with two members each are measured at once', () => {
    const nested = new BtfBuilder({ littleEndian: true });
    let inner = nested.addInt('char', { size: 1 });
    for (let level = 0; level < 60; level++) {
      inner = nested.addStruct('', 0, [member('a', inner, 0), member('b', inner, 0)]);
    }
    expect(parse(nested.encode()).alignmentOf(inner)).toBe(1);
  });
});

describe('parseAsync', () => {
  const bytes = everyKind(true).builder.encode();

  test('gives what parse gives', async () => {
    const btf = await Btf.parseAsync(bytes, { name: 'test.o' });
    expect(allTypes(btf)).toEqual(allTypes(parse(bytes)));
    expect(btf.find('thing')).toBe(parse(bytes).find('thing'));
  });

  test('rejects malformed BTF', async () => {
    await expect(Btf.parseAsync(bytes.subarray(0, 30), { name: 'test.o' })).rejects.toMatchObject({
      code: 'ERR_EBPF_OBJECT_FORMAT',
      section: '.BTF',
    });
  });

  test('gives the event loop its turns', async () => {
    const builder = new BtfBuilder({ littleEndian: true });
    for (let index = 0; index < 30_000; index++) builder.addStruct(`struct_number_${index}`, 0, []);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const btf = await Btf.parseAsync(builder.encode(), { name: 'many', sliceMilliseconds: 0 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(1);
    expect(btf.find('struct_number_29999')).toBe(30_000);
    expect(btf.find('struct_number_0')).toBe(1);
  });

  test('an abort ends it with the reason of the signal', async () => {
    const reason = new Error('not needed any more');
    await expect(Btf.parseAsync(bytes, { name: 'test.o', signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('BtfBuilder refuses', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  test.each<[string, () => unknown, string]>([
    ['a NUL in a name', () => builder.addTypedef('a\0b', 1), 'name: "a\\x00b" contains a NUL'],
    ['a negative type', () => builder.addPointer(-1), 'size or type: -1 is not an integer from 0 to 4294967295'],
    ['a fraction', () => builder.addArray(1, 1, 1.5), 'length: 1.5 is not an integer from 0 to 4294967295'],
    [
      'a bit-field of 256 bits',
      () => builder.addStruct('s', 1, [{ name: 'b', type: 1, bitOffset: 0, bitSize: 256 }]),
      'bitSize: 256 is not an integer from 0 to 255',
    ],
    [
      'a signed value in an unsigned enum',
      () => builder.addEnum('e', { values: [{ name: 'LESS', value: -1 }] }),
      'LESS: -1 does not fit an unsigned 32-bit value',
    ],
    [
      'an enum value of 33 bits',
      () => builder.addEnum('e', { signed: true, values: [{ name: 'MORE', value: 0x8000_0000 }] }),
      'MORE: 2147483648 does not fit a signed 32-bit value',
    ],
    [
      'an enum64 value of 65 bits',
      () => builder.addEnum64('e', { values: [{ name: 'MORE', value: 1n << 64n }] }),
      'MORE: 18446744073709551616 does not fit an unsigned 64-bit value',
    ],
    [
      'more members than a kernel takes',
      () =>
        builder.addStruct(
          's',
          0,
          Array.from({ length: 65_536 }, () => member('', 1, 0)),
        ),
      'count: 65536 is not an integer from 0 to 65535',
    ],
    ['void', () => builder.add({ kind: 0, id: 0, name: '' }), 'type: void is type 0 of every BTF'],
  ])('%s', (_, build, message) => {
    expect(build).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', message }) as Error);
    expect(builder.nextId).toBe(1);
  });
});
