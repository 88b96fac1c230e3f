import { ByteWriter, hostIsLittleEndian } from '../../../lib/binary/index.js';
import { BtfBuilder, BtfExt, BtfLinkage, seemsToHaveCoreRelocations, type Btf } from '../../../lib/btf/index.js';
import { parse } from './fixtures.js';

interface Infos {
  readonly recordSize: number;
  readonly sections: readonly { readonly name: number; readonly records: readonly (readonly number[])[] }[];
}

/** Encodes a .BTF.ext; records shorter than their size are padded with 0xaa bytes, which must be skipped. */
function encode(littleEndian: boolean, tables: readonly Infos[], headerLength = 32): Uint8Array {
  const bodies = tables.map(({ recordSize, sections }) => {
    const body = new ByteWriter({ littleEndian });
    if (sections.length === 0) return body;
    body.u32(recordSize);
    for (const { name, records } of sections) {
      body.u32(name).u32(records.length);
      for (const record of records) {
        for (const word of record) body.u32(word);
        body.append(new Uint8Array(recordSize - record.length * 4).fill(0xaa));
      }
    }
    return body;
  });
  const writer = new ByteWriter({ littleEndian }).u16(0xeb9f).u8(1).u8(0).u32(headerLength);
  let offset = 0;
  for (const body of bodies) {
    writer.u32(offset).u32(body.length);
    offset += body.length;
  }
  writer.append(new Uint8Array(Math.max(0, headerLength - writer.length)));
  for (const body of bodies) writer.append(body.toBytes());
  return writer.toBytes();
}

function build(littleEndian: boolean): {
  btf: Btf;
  func: number;
  strings: Record<'section' | 'file' | 'text' | 'access', number>;
} {
  const builder = new BtfBuilder({ littleEndian });
  const func = builder.addFunction('main', builder.addFunctionPrototype(0, []), BtfLinkage.GLOBAL);
  const strings = {
    section: builder.string('tp_btf/sched_process_exec'),
    file: builder.string('a.bpf.c'),
    text: builder.string('return 0;'),
    access: builder.string('0:1:2'),
  };
  return { btf: parse(builder.encode()), func, strings };
}

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('%s', (_, littleEndian) => {
  const { btf, func, strings } = build(littleEndian);
  const { section: name, file, text, access } = strings;
  const functions: Infos = { recordSize: 8, sections: [{ name, records: [[0, func]] }] };
  const lines: Infos = {
    recordSize: 16,
    sections: [
      {
        name,
        records: [
          [0, file, text, (41 << 10) | 7],
          [16, file, text, (42 << 10) | 1],
        ],
      },
      { name: file, records: [[0, file, text, 1024]] },
    ],
  };
  const relocations: Infos = {
    recordSize: 16,
    sections: [
      {
        name,
        records: [
          [8, func, access, 0],
          [24, func, access, 12],
        ],
      },
    ],
  };
  const read = (bytes: Uint8Array) => BtfExt.parse(bytes, btf, { name: 'test.o' });

  test('the three tables are read by section', () => {
    const ext = read(encode(littleEndian, [functions, lines, relocations]));
    expect(ext.functions).toEqual([
      {
        section: 'tp_btf/sched_process_exec',
        recordSize: 8,
        offsets: Uint32Array.of(0),
        typeIds: Uint32Array.of(func),
      },
    ]);
    expect(ext.lines).toHaveLength(2);
    expect(ext.lines[0]).toEqual({
      section: 'tp_btf/sched_process_exec',
      recordSize: 16,
      offsets: Uint32Array.of(0, 16),
      fileNames: Uint32Array.of(file, file),
      texts: Uint32Array.of(text, text),
      lineColumns: Uint32Array.of((41 << 10) | 7, (42 << 10) | 1),
    });
    expect(ext.lines[1]?.section).toBe('a.bpf.c');
    expect(ext.coreRelocations).toEqual([
      {
        section: 'tp_btf/sched_process_exec',
        offsets: Uint32Array.of(8, 24),
        typeIds: Uint32Array.of(func, func),
        accessStrings: Uint32Array.of(access, access),
        kinds: Uint32Array.of(0, 12),
      },
    ]);
  });

  test('records that are longer than known are read at their own size', () => {
    const ext = read(
      encode(littleEndian, [
        { ...functions, recordSize: 12 },
        { ...lines, recordSize: 20 },
        { ...relocations, recordSize: 24 },
      ]),
    );
    expect(ext.functions[0]?.recordSize).toBe(12);
    expect([...(ext.lines[0]?.offsets ?? [])]).toEqual([0, 16]);
    expect([...(ext.coreRelocations[0]?.kinds ?? [])]).toEqual([0, 12]);
  });

  test('the header before CO-RE and one longer than known are read', () => {
    expect(read(encode(littleEndian, [functions, lines], 24)).coreRelocations).toEqual([]);
    expect(read(encode(littleEndian, [functions, lines, relocations], 40)).coreRelocations).toHaveLength(1);
  });

  test('CO-RE relocations of this byte order are seen before anything is parsed', () => {
    const inFile = (ext: Uint8Array): Uint8Array => Buffer.concat([new Uint8Array(70), ext, new Uint8Array(9)]);
    const seen = (tables: readonly Infos[], headerLength?: number): boolean =>
      seemsToHaveCoreRelocations(inFile(encode(littleEndian, tables, headerLength)).subarray(1));
    expect(seen([functions, lines, relocations])).toBe(littleEndian === hostIsLittleEndian);
    expect(seen([functions, lines, { recordSize: 0, sections: [] }])).toBe(false);
    expect(seen([functions, lines], 24)).toBe(false);
    expect(seemsToHaveCoreRelocations(encode(littleEndian, [functions, lines, relocations]).subarray(0, 20))).toBe(
      false,
    );
    expect(seemsToHaveCoreRelocations(new Uint8Array(0))).toBe(false);
  });

  test('empty tables are none', () => {
    const none: Infos = { recordSize: 0, sections: [] };
    expect(read(encode(littleEndian, [none, none, none]))).toMatchObject({
      functions: [],
      lines: [],
      coreRelocations: [],
    });
  });

  test('the other byte order is refused', () => {
    expect(() => BtfExt.parse(encode(!littleEndian, [functions, lines, relocations]), btf, { name: 'test.o' })).toThrow(
      'its byte order is not that of .BTF',
    );
  });

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'a BTF.ext header has 24 bytes, here are 0'],
    ['another file', new Uint8Array(32).fill(0x41), 'this is not BTF.ext: it starts with 0x4141, not 0xeb9f'],
    [
      'no records in a section',
      encode(littleEndian, [{ recordSize: 8, sections: [{ name, records: [] }] }, lines, relocations]),
      'a section has no function infos',
    ],
    [
      'a record size of 0',
      recordSize(0),
      'a record of function infos has 0 bytes; it must be a multiple of 4 from 8 up',
    ],
    ['a record size of 4', recordSize(4), 'a record of function infos has 4 bytes'],
    ['a record size of 9', recordSize(9), 'a record of function infos has 9 bytes'],
    [
      'a record size near 2^32',
      recordSize(0xffff_fffc),
      'the function infos end at 52, 4294967292 bytes are needed here',
    ],
    ['counts near 2^32', withWord(40, 0xffff_ffff), 'the function infos end at 52, 34359738360 bytes are needed here'],
    ['a table past the end', withWord(12, 0xffff_fff0), 'the function infos claim bytes 32 to 4294967312'],
    ['a table at 4 GiB', withWord(8, 0xffff_fff0), 'the function infos claim bytes 4294967312'],
    ['a table out of step', withWord(8, 1), 'the function infos start at 33, which is not a multiple of 4'],
    ['a table of 2 bytes', withWord(12, 2), 'the function infos end at 34, 4 bytes are needed here'],
    ['a table that ends in a section', withWord(12, 8), 'the function infos end at 40, 8 bytes are needed here'],
    ['a section without a name', withWord(36, 0x7fff_ffff), 'a section is named at string offset 2147483647'],
    [
      'a function that does not exist',
      withWord(48, 77),
      'record 0 of the function infos refers to type 77; the ids end at 2',
    ],
    ['a string outside the strings', withWord(72, 9_999), 'record 0 of the line infos refers to string offset 9999'],
    ['a header past the end', withWord(4, 9_999), 'the header claims 9999 bytes, it must have 24 to'],
  ])('%s is refused', (_unused, bytes, message) => {
    expect(() => read(bytes)).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_OBJECT_FORMAT',
        section: '.BTF.ext',
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  });

  test('cut off anywhere', () => {
    const bytes = encode(littleEndian, [functions, lines, relocations]);
    for (let end = 0; end < bytes.byteLength; end++) {
      expect(() => read(bytes.subarray(0, end))).toThrow(expect.objectContaining({ section: '.BTF.ext' }) as Error);
    }
  });

  function withWord(offset: number, value: number): Uint8Array {
    const bytes = encode(littleEndian, [functions, lines, relocations]);
    new DataView(bytes.buffer).setUint32(offset, value, littleEndian);
    return bytes;
  }

  function recordSize(size: number): Uint8Array {
    return withWord(32, size);
  }
});
