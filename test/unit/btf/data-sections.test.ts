import { BtfBuilder, BtfKind, BtfLinkage, withDataSections, withStaticFunctions } from '../../../lib/btf/index.js';
import { everyKind, parse } from './fixtures.js';

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('%s', (_, littleEndian) => {
  const builder = new BtfBuilder({ littleEndian });
  const int = builder.addInt('int', { size: 4 });
  const first = builder.addVariable('first', int, BtfLinkage.GLOBAL);
  const second = builder.addVariable('second', int, BtfLinkage.GLOBAL);
  const inner = builder.addVariable('main.inner', int, BtfLinkage.STATIC);
  const secret = builder.addVariable('secret', int, BtfLinkage.GLOBAL);
  // As clang leaves it: no size, global variables at 0, static ones where they are.
  const data = builder.addDataSection('.data', 0, [
    { type: first, offset: 0, size: 4 },
    { type: second, offset: 0, size: 4 },
    { type: inner, offset: 8, size: 4 },
    { type: secret, offset: 0, size: 4 },
  ]);
  const other = builder.addDataSection('.bss', 0, [{ type: second, offset: 0, size: 4 }]);
  const bytes = builder.encode();
  const btf = parse(bytes);
  const offsets = new Map([
    ['first', 4],
    ['second', 0],
    ['secret', 12],
  ]);

  test('sizes and offsets are filled in, entries sorted, static variables kept', () => {
    const before = bytes.slice();
    const completed = parse(withDataSections(btf, new Map([['.data', { size: 16, offsets }]])));
    expect(completed.type(data)).toMatchObject({
      kind: BtfKind.DATASEC,
      size: 16,
      entries: [
        { type: second, offset: 0, size: 4 },
        { type: first, offset: 4, size: 4 },
        { type: inner, offset: 8, size: 4 },
        { type: secret, offset: 12, size: 4 },
      ],
    });
    expect(completed.type(other)).toEqual(btf.type(other));
    completed.validate();
    expect(bytes).toEqual(before);
  });

  test('hidden variables become static', () => {
    const layout = { size: 16, offsets, hidden: new Set(['secret', 'main.inner']) };
    const completed = parse(withDataSections(btf, new Map([['.data', layout]])));
    expect(completed.type(secret)).toMatchObject({ linkage: BtfLinkage.STATIC });
    expect(completed.type(first)).toMatchObject({ linkage: BtfLinkage.GLOBAL });
  });

  test('nothing named, nothing changed', () => {
    expect(withDataSections(btf, new Map())).toEqual(bytes);
  });

  test('a variable without a symbol is an error', () => {
    expect(() => withDataSections(btf, new Map([['.data', { size: 16, offsets: new Map() }]]))).toThrow(
      'variable "first" of section ".data" has no symbol in the object',
    );
  });

  test('a variable outside its section is an error', () => {
    expect(() => withDataSections(btf, new Map([['.data', { size: 12, offsets }]]))).toThrow(
      'variable "secret" of section ".data" ends at 16, the section at 12',
    );
  });
});

describe.each([true, false])('withStaticFunctions (little-endian: %s)', (littleEndian) => {
  const ids = everyKind(littleEndian);
  const btf = parse(ids.builder.encode());

  test('changes the linkage and nothing else', () => {
    const changed = parse(withStaticFunctions(btf, [ids.function]));
    for (let id = 1; id < btf.endId; id++) {
      const before = btf.type(id);
      expect(changed.type(id)).toEqual(id === ids.function ? { ...before, linkage: BtfLinkage.STATIC } : before);
    }
    expect(btf.type(ids.function)).toMatchObject({ linkage: BtfLinkage.GLOBAL });
  });

  test('refuses what is no function', () => {
    expect(() => withStaticFunctions(btf, [ids.struct])).toThrow(`type ${ids.struct} is no function`);
    expect(() => withStaticFunctions(btf, [0])).toThrow('type 0 is no function');
  });
});
