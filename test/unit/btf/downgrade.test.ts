import { Btf, BtfBuilder, BtfKind, BtfLinkage, newerKindsIn, withOlderKinds } from '../../../lib/btf/index.js';
import { samples } from './fixtures.js';

const newer = [BtfKind.FLOAT, BtfKind.DECL_TAG, BtfKind.TYPE_TAG, BtfKind.ENUM64] as const;
const none: ReadonlySet<BtfKind> = new Set();

/** A type of each newer kind, and something that refers to it. */
function build(littleEndian: boolean): Btf {
  const builder = new BtfBuilder({ littleEndian });
  const int = builder.addInt('int', { size: 4, signed: true });
  const float = builder.addFloat('double', 8);
  const wide = builder.addEnum64('wide', { values: [{ name: 'SMALL', value: 1n }, { name: 'LARGE', value: 1n << 40n }] }); // prettier-ignore
  const small = builder.addEnum('small', { signed: true, values: [{ name: 'MINUS', value: -1 }] });
  const plain = builder.addEnum('plain', { values: [{ name: 'ONE', value: 1 }] });
  const tag = builder.addTypeTag('tagged', int);
  const pointer = builder.addPointer(tag);
  const at = (name: string, type: number, bytes: number) => ({ name, type, bitOffset: bytes * 8, bitSize: 0 });
  const members = [at('f', float, 0), at('w', wide, 8), at('p', pointer, 16), at('s', small, 24), at('l', plain, 28)];
  const struct = builder.addStruct('reading', 32, members);
  builder.addDeclarationTag('declared', struct, 1);
  const prototype = builder.addFunctionPrototype(int, [{ name: 'reading', type: pointer }]);
  const fn = builder.addFunction('count', prototype, BtfLinkage.STATIC);
  builder.addDeclarationTag('declared', fn);
  return Btf.parse(builder.encode(), { name: 'built' });
}

const compiled =
  samples()
    .find(({ name }) => name === 'newer_types.bpf.o')
    ?.sections.get('.BTF') ?? new Uint8Array();

describe.each([
  ['little-endian', build(true)],
  ['big-endian', build(false)],
  ['compiled by clang', Btf.parse(compiled, { name: 'newer_types.bpf.o' })],
])('%s', (_, btf) => {
  const older = Btf.parse(withOlderKinds(btf, none), { name: 'older' });

  test('no newer kind is left, and the result is sound', () => {
    expect([...newerKindsIn(btf)].sort()).toEqual([...newer].sort());
    expect([...newerKindsIn(older)]).toEqual([]);
    older.validate();
  });

  test('every type keeps its id, and the types that kernels know stay as they are', () => {
    for (let id = btf.startId; id < btf.endId; id++) {
      const type = btf.type(id);
      const isNewer = newerKindsIn(btf).has(type.kind) || (type.kind === BtfKind.ENUM && type.signed);
      if (!isNewer) expect(older.type(id)).toEqual(type);
    }
    // The member type of the unions that were 64-bit enumerations.
    expect(older.endId).toBe(btf.endId + 1);
    expect(older.type(btf.endId)).toMatchObject({ kind: BtfKind.INT, size: 1 });
  });

  test('every type keeps its size, so that layouts stay true', () => {
    for (let id = btf.startId; id < btf.endId; id++) {
      const { kind } = btf.type(id);
      if (kind === BtfKind.FLOAT || kind === BtfKind.ENUM64 || kind === BtfKind.TYPE_TAG || kind === BtfKind.STRUCT) {
        expect([id, older.sizeOf(id)]).toEqual([id, btf.sizeOf(id)]);
      }
    }
  });

  test('the original is not changed, and nothing is copied where the kernel takes everything', () => {
    const before = new Uint8Array(btf.bytes);
    withOlderKinds(btf, none);
    expect(new Uint8Array(btf.bytes)).toEqual(before);
    expect(withOlderKinds(btf, new Set(newer))).toBe(btf.bytes);
  });

  test.each(newer)('kind %d alone is rewritten when it alone is missing', (kind) => {
    const rest = new Set<BtfKind>(newer.filter((each) => each !== kind));
    const result = Btf.parse(withOlderKinds(btf, rest), { name: 'partly' });
    result.validate();
    expect(newerKindsIn(result)).toEqual(rest);
  });
});

test('each kind becomes what the kernel takes in its place', () => {
  const btf = build(true);
  const older = Btf.parse(withOlderKinds(btf, none), { name: 'older' });
  expect(older.type(2)).toEqual({ kind: BtfKind.STRUCT, id: 2, name: '', size: 8, members: [] });
  expect(older.type(3)).toEqual({
    kind: BtfKind.UNION,
    id: 3,
    name: 'wide',
    size: 8,
    members: [
      { name: 'SMALL', type: btf.endId, bitOffset: 0, bitSize: 0 },
      { name: 'LARGE', type: btf.endId, bitOffset: 0, bitSize: 0 },
    ],
  });
  expect(older.type(4)).toMatchObject({ kind: BtfKind.ENUM, signed: false, name: 'small' });
  expect(older.type(6)).toMatchObject({ kind: BtfKind.CONST, type: 1 });
  expect(older.type(9)).toMatchObject({ kind: BtfKind.INT, size: 1, name: '' });
});
