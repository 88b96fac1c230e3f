import { Btf, BtfBuilder, BtfKind, BtfLinkage, withDefinedExterns } from '../../../lib/btf/index.js';

const parse = (builder: BtfBuilder): Btf => Btf.parse(builder.encode(), { name: 'object' });

test.each([true, false])('declarations become definitions (little-endian: %s)', (littleEndian) => {
  const builder = new BtfBuilder({ littleEndian });
  const wide = builder.addInt('long', { size: 8, signed: true });
  const prototype = builder.addFunctionPrototype(wide, [
    { name: 'named', type: wide },
    { name: '', type: wide },
    { name: '', type: 0 },
  ]);
  const fn = builder.addFunction('kernel_function', prototype, BtfLinkage.EXTERN);
  const own = builder.addFunction('own', prototype, BtfLinkage.STATIC);
  const variable = builder.addVariable('symbol', builder.addConst(0), BtfLinkage.EXTERN);
  const section = builder.addDataSection('.ksyms', 0, [
    { type: fn, offset: 0, size: 0 },
    { type: variable, offset: 0, size: 0 },
  ]);
  const before = parse(builder);
  const after = withDefinedExterns(before);
  after.validate();
  expect(after.littleEndian).toBe(littleEndian);
  // The object has no integer of four bytes: one is added.
  const int = after.find('int', BtfKind.INT);
  const dummy = after.find('dummy_ksym', BtfKind.VAR);
  expect(after.type(int ?? 0)).toMatchObject({ size: 4, signed: true });
  expect(after.type(fn)).toMatchObject({ name: 'kernel_function', linkage: BtfLinkage.GLOBAL, type: prototype });
  expect(after.type(own)).toMatchObject({ linkage: BtfLinkage.STATIC });
  expect(after.type(prototype)).toMatchObject({
    parameters: [
      { name: 'named', type: wide },
      { name: 'dummy_ksym', type: wide },
      { name: '', type: 0 },
    ],
  });
  expect(after.type(variable)).toMatchObject({ name: 'symbol', linkage: BtfLinkage.GLOBAL, type: int });
  expect(after.type(section)).toMatchObject({
    size: 8,
    entries: [
      { type: dummy, offset: 0, size: 4 },
      { type: variable, offset: 4, size: 4 },
    ],
  });
  // The bytes it was made from are as they were.
  expect(before.type(fn)).toMatchObject({ linkage: BtfLinkage.EXTERN });
  expect(parse(builder).bytes).toEqual(before.bytes);
});

test('a variable of another section keeps its type', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const flag = builder.addInt('bool', { size: 1, bool: true });
  const variable = builder.addVariable('CONFIG_X', flag, BtfLinkage.EXTERN);
  builder.addDataSection('.kconfig', 0, [{ type: variable, offset: 0, size: 1 }]);
  expect(withDefinedExterns(parse(builder)).type(variable)).toMatchObject({ type: flag, linkage: BtfLinkage.GLOBAL });
});

test('BTF that declares nothing is given back', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  builder.addVariable('x', builder.addInt('int', { size: 4 }), BtfLinkage.GLOBAL);
  const btf = parse(builder);
  expect(withDefinedExterns(btf)).toBe(btf);
});
