// Types are found by name and by essential name as a look at each of them finds them.
import fc from 'fast-check';

import { Btf, BtfBuilder, essentialName } from '../../../lib/btf/index.js';
import { hashedByAddon, hashName } from '../../../lib/btf/name-hash.js';
import { bucketsFor, NameIndex } from '../../../lib/btf/name-index.js';
import { allocateBtf, typesInIndex } from '../../../lib/btf/type-index.js';
import { samples } from './fixtures.js';

/** Built in steps, as a caller that must not block does. */
function indexOf(btf: Btf): NameIndex {
  const index = new NameIndex(btf.table, btf.strings);
  while (!index.build(3));
  return index;
}

/** What {@link NameIndex.find} is to find, of the types that are not the base's. */
function byLooking(btf: Btf, wanted: string): ReturnType<NameIndex['find']> {
  const ids = Array.from({ length: btf.endId - btf.startId }, (_, index) => btf.startId + index);
  const named = (predicate: (name: string) => boolean): number[] =>
    ids.filter((id) => btf.nameOf(id) !== '' && predicate(btf.nameOf(id)));
  return {
    exact: named((name) => name === wanted),
    essential: named((name) => essentialName(name) === wanted),
  };
}

function btfNaming(names: readonly string[], base?: Btf): Btf {
  const builder = new BtfBuilder({ littleEndian: true, ...(base === undefined ? {} : { base }) });
  for (const name of names) builder.addForward(name);
  return Btf.parse(builder.encode(), { name: 'names', base });
}

/** Names that are ends, beginnings and flavours of each other, `^` being what comes before `_`. */
const someName = fc
  .array(fc.constantFrom('a', 'b', '_', '___', 'task', '^', 'é'), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(''));

test('any names, in a base and on top of it', () => {
  fc.assert(
    fc.property(fc.array(someName), fc.array(someName), fc.array(someName, { minLength: 1 }), (inBase, own, wanted) => {
      const base = btfNaming(inBase);
      const split = btfNaming(own, base);
      for (const btf of [base, split]) {
        const index = indexOf(btf);
        for (const name of [...inBase, ...own, ...wanted]) expect(index.find(name)).toEqual(byLooking(btf, name));
      }
    }),
    { numRuns: 300 },
  );
});

test('a name and its flavours have one hash, wherever the first three underscores begin', () => {
  const hash = (name: string, most: number): number => {
    const bytes = Buffer.from(`${name}\0another`);
    return hashName(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, most);
  };
  fc.assert(
    fc.property(fc.constantFrom('a', '_b', 'a__b'), fc.nat(30), fc.constantFrom(24, 256), (start, length, most) => {
      const name = start + 'x'.repeat(length);
      const own = hash(name, most);
      for (const flavour of ['___', '___y', '___old___er']) expect(hash(name + flavour, most)).toBe(own);
      if (name.length < most) expect(hash(`${name}z`, most)).not.toBe(own);
    }),
  );
});

test('a hash does not look behind its bytes, nor behind the end of the strings', () => {
  const view = (text: string): DataView => new DataView(Uint8Array.from(Buffer.from(text)).buffer);
  expect(hashName(view(`${'x'.repeat(24)}abc\0`), 0, 24)).toBe(hashName(view(`${'x'.repeat(24)}\0`), 0, 24));
  expect(hashName(view('..abc\0'), 2, 256)).toBe(hashName(view('abc\0defgh'), 0, 256));
});

test.each(samples())('every name in $name', ({ sections }) => {
  const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name: 'sample' });
  const names = btf.allStrings();
  expect(names.length).toBeGreaterThan(5);
  const index = indexOf(btf);
  for (const name of names.slice(0, 200)) expect(index.find(name)).toEqual(byLooking(btf, name));
});

test('a short name, the last of the strings, its flavours and what begins like it', () => {
  const btf = btfNaming(['rq', 'rq___old', 'rqs', 'rq___', 'rq___x___y', 'a', 'a___b', 'q']);
  const index = indexOf(btf);
  expect(index.find('rq')).toEqual({ exact: [1], essential: [1, 2] });
  expect(index.find('rq___x')).toEqual({ exact: [], essential: [5] });
  expect(index.find('rq___old')).toEqual({ exact: [2], essential: [] });
  expect(index.find('a')).toEqual({ exact: [6], essential: [6, 7] });
  expect(index.find('q')).toEqual({ exact: [8], essential: [8] });
});

test('no name is found in what is no name', () => {
  const index = indexOf(btfNaming(['a', 'b']));
  for (const name of ['', 'a\0b', '\0']) expect(index.find(name)).toEqual({ exact: [], essential: [] });
});

test('a name offset outside the strings is no name', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  for (const name of ['one', 'two']) builder.addForward(name);
  const bytes = builder.encode();
  const { header } = Btf.parse(bytes, { name: 'names' });
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(header.typesOffset, header.stringsLength, true);
  const btf = Btf.parse(bytes, { name: 'names' });
  expect([btf.find('one'), btf.find('two')]).toEqual([undefined, 2]);
});

test('names can be made ready, few or many', async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `type_${index}`);
  for (const count of [0, 1, 5_000]) {
    const btf = btfNaming(names);
    await btf.prepareNames(names.slice(0, count));
    expect(names.slice(0, 100).map((name) => btf.find(name))).toEqual(names.slice(0, 100).map((_, index) => index + 1));
  }
});

test('thousands of names that begin alike are found in time', () => {
  const long = 'long'.repeat(20);
  const names = Array.from({ length: 30_000 }, (_, index) => `${long}_${index}`);
  const btf = btfNaming(names);
  const start = performance.now();
  expect(names.map((name) => btf.find(name))).toEqual(names.map((_, index) => index + 1));
  // By what they begin with it would be 900 million steps.
  expect(performance.now() - start).toBeLessThan(2_000);
});

test('buckets are a power of two, and at least two', () => {
  for (const types of [0, 1, 2, 3, 100, 126_000.5, 1e9]) {
    const buckets = bucketsFor(types);
    expect(Math.log2(buckets) % 1).toBe(0);
    expect(buckets).toBeGreaterThanOrEqual(Math.min(Math.max(types, 2), 2 ** 20));
  }
});

test('room for a BTF says how large its records are, and that nothing was found yet', () => {
  for (const byteLength of [0, 5, 100_001, 5_000_000]) {
    const { bytes, index } = allocateBtf(byteLength);
    expect(bytes.byteLength).toBe(byteLength);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(index.buffer).toBe(bytes.buffer);
    expect(index.byteOffset).toBeGreaterThanOrEqual(bytes.byteOffset + byteLength);
    // A struct has 12 bytes and as many for each member; no type is of kind 0, and none of kind 20.
    expect([...index.subarray(8, 10), ...index.subarray(40, 42)]).toEqual([12, 12, 0, 0]);
    expect(typesInIndex(index)).toBeUndefined();
  }
});

test('what the addon finds is taken over; where it found nothing, TypeScript looks', async () => {
  const names = ['rq', 'rq___old', 'task_struct', 'a', 'a_name_of_more_than_24_bytes', 'a_name_of_more_than_24_other'];
  const plain = btfNaming(names);
  const room = allocateBtf(4_000);
  room.bytes.set(plain.bytes);
  const bytes = room.bytes.subarray(0, plain.bytes.byteLength);
  const looked = await Btf.parseIndexed(bytes, room.index, { name: 'looked' });
  expect([looked.endId, looked.findByEssentialName('rq')]).toEqual([plain.endId, [1, 2]]);

  // As native/type_index.cc fills it in, but that here each name is in the bucket of its hash alone.
  const { index } = room;
  const [, buckets = 0] = index;
  const offsetsAt = 256 + buckets;
  const nextAt = offsetsAt + (index.length - offsetsAt) / 2;
  const strings = Buffer.from(plain.strings.bytes);
  const view = new DataView(strings.buffer, strings.byteOffset, strings.byteLength);
  for (const [type, name] of names.entries()) {
    const at = strings.indexOf(`\0${name}\0`) + 1;
    const bucket = 256 + (hashName(view, at, hashedByAddon) >>> (Math.clz32(buckets) + 1));
    index[offsetsAt + type] = type * 3;
    index[nextAt + type] = index[bucket] ?? 0;
    index[bucket] = type + 1;
  }
  index[0] = names.length;
  const taken = await Btf.parseIndexed(bytes, index, { name: 'taken' });
  expect(taken.endId).toBe(plain.endId);
  for (const name of names) {
    expect(taken.findAll(name)).toEqual(plain.findAll(name));
    expect(taken.findByEssentialName(name)).toEqual(plain.findByEssentialName(name));
  }
});
