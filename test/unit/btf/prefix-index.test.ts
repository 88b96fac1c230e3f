// Names are found the same way by what they begin with and by an index of whole names.
import fc from 'fast-check';

import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { NameIndex } from '../../../lib/btf/name-index.js';
import { PrefixIndex } from '../../../lib/btf/prefix-index.js';
import { samples } from './fixtures.js';

function whole(btf: Btf): NameIndex {
  const index = new NameIndex(btf.table, btf.strings);
  index.build(1_000_000);
  return index;
}

/** Built in steps, as a caller that must not block does. */
function byPrefix(btf: Btf): PrefixIndex {
  const index = new PrefixIndex(btf.table, btf.strings);
  while (!index.build(3));
  return index;
}

/** Names that are ends, beginnings and flavours of each other. */
const someName = fc
  .array(fc.constantFrom('a', 'b', '_', '___', 'task', 'é'), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));

function btfNaming(names: readonly string[], base?: Btf): Btf {
  const builder = new BtfBuilder({ littleEndian: true, ...(base === undefined ? {} : { base }) });
  for (const name of names) builder.addForward(name);
  return Btf.parse(builder.encode(), { name: 'names', base });
}

test('as an index of whole names does, for any names', () => {
  fc.assert(
    fc.property(fc.array(someName), fc.array(someName), fc.array(someName, { minLength: 1 }), (inBase, own, wanted) => {
      const base = btfNaming(inBase);
      const split = btfNaming(own, base);
      for (const btf of [base, split]) {
        const [ours, theirs] = [byPrefix(btf), whole(btf)];
        for (const name of [...inBase, ...own, ...wanted]) expect(ours.find(name)).toEqual(theirs.find(name));
      }
    }),
    { numRuns: 200 },
  );
});

test.each(samples())('as an index of whole names does, for every name in $name', ({ sections }) => {
  const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name: 'sample' });
  const names = btf.allStrings();
  expect(names.length).toBeGreaterThan(5);
  const [ours, theirs] = [byPrefix(btf), whole(btf)];
  for (const name of names) expect(ours.find(name)).toEqual(theirs.find(name));
});

test('a short name, the last of the strings, its flavours and what begins like it', () => {
  const btf = btfNaming(['rq', 'rq___old', 'rqs', 'rq___', 'rq___x___y', 'a', 'a___b', 'q']);
  const index = byPrefix(btf);
  expect(index.find('rq')).toEqual({ exact: [1], essential: [1, 2] });
  expect(index.find('rq___x')).toEqual({ exact: [], essential: [5] });
  expect(index.find('rq___old')).toEqual({ exact: [2], essential: [] });
  expect(index.find('a')).toEqual({ exact: [6], essential: [6, 7] });
  expect(index.find('q')).toEqual({ exact: [8], essential: [8] });
});

test('no name is found in what is no name', () => {
  const index = byPrefix(btfNaming(['a', 'b']));
  for (const name of ['', 'a\0b', '\0']) expect(index.find(name)).toEqual({ exact: [], essential: [] });
});

test('names can be made ready together, few or many', async () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `type_${index}`);
  for (const count of [0, 1, 100, 5_000]) {
    const btf = btfNaming(names);
    await btf.prepareNames(names.slice(0, count));
    expect(names.slice(0, 100).map((name) => btf.find(name))).toEqual(names.slice(0, 100).map((_, index) => index + 1));
  }
});

test('thousands of names that begin alike are found in time', () => {
  const names = Array.from({ length: 30_000 }, (_, index) => `type_${index}`);
  const btf = btfNaming(names);
  const start = performance.now();
  expect(names.map((name) => btf.find(name))).toEqual(names.map((_, index) => index + 1));
  // By what they begin with it would be 900 million steps.
  expect(performance.now() - start).toBeLessThan(2_000);
});
