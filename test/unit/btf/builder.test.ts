import { BtfBuilder, type BtfType } from '../../../lib/btf/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { allTypes, everyKind, parse } from './fixtures.js';

const plain = (name: string, type: number, bitOffset = 0) => ({ name, type, bitOffset, bitSize: 0 });

test('strings are in the order of their first use, a type before its members', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const int = builder.addInt('int', { size: 4 });
  builder.addStruct('outer', 4, [plain('first', int), plain('int', int)]);
  builder.addEnum('colour', { values: [{ name: 'RED', value: 1 }] });
  expect(parse(builder.encode()).allStrings()).toEqual(['int', 'outer', 'first', 'colour', 'RED']);
});

test('strings given to the constructor come first, used or not', () => {
  const builder = new BtfBuilder({ littleEndian: true, strings: ['', 'unused', 'int'] });
  expect(builder.addInt('int', { size: 4 })).toBe(1);
  const btf = parse(builder.encode());
  expect(btf.allStrings()).toEqual(['unused', 'int']);
  expect(btf.string(1)).toBe('unused');
});

describe('split BTF', () => {
  const base = parse(everyKind(true).builder.encode());
  const make = (strings?: readonly string[]): BtfBuilder => {
    const builder = new BtfBuilder({ littleEndian: true, base, strings });
    const own = builder.addStruct('module_only', 4, [plain('pid', 1)]);
    builder.addPointer(own);
    builder.addTypedef('thing', own);
    return builder;
  };

  test('names that the base has are not repeated', () => {
    const split = parse(make().encode(), base);
    expect(split.allStrings()).toEqual(['module_only']);
    expect(allTypes(split)).toMatchObject([
      { id: base.endId, name: 'module_only', members: [{ name: 'pid', type: 1 }] },
      { id: base.endId + 1, type: base.endId },
      { id: base.endId + 2, name: 'thing', type: base.endId },
    ]);
  });

  test('is written again to the same bytes', () => {
    const bytes = make(['unused', 'pid']).encode();
    const split = parse(bytes, base);
    const again = new BtfBuilder({ littleEndian: true, base, strings: split.allStrings() });
    for (const type of allTypes(split) as BtfType[]) again.add(type);
    expect(again.encode()).toEqual(bytes);
    expect(BtfBuilder.from(split).encode()).toEqual(bytes);
  });

  test('keeps the byte order of its base', () => {
    const split = parse(make().encode(), base);
    expect(() => BtfBuilder.from(split, { littleEndian: false })).toThrow(UsageError);
  });
});

test('a type that cannot be written leaves the builder as it was', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const int = builder.addInt('int', { size: 4 });
  const members = [plain('a', int), { ...plain('b', int, 0x100_0000), bitSize: 3 }];
  expect(() => builder.addStruct('', 4, members)).toThrow(UsageError);
  expect(() => builder.addEnum('', { values: [{ name: 'BIG', value: 2 ** 32 }] })).toThrow(/BIG.*unsigned 32-bit/u);
  expect(() => builder.addTypedef('a\0b', int)).toThrow(UsageError);
  expect(builder.addPointer(int)).toBe(2);
  expect(allTypes(parse(builder.encode()))).toMatchObject([{ name: 'int' }, { type: int }]);
});
