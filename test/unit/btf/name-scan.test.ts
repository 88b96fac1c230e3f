// Names are found the same way with and without an index.
import fc from 'fast-check';

import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { NameIndex } from '../../../lib/btf/name-index.js';
import { NameScan } from '../../../lib/btf/name-scan.js';
import { samples } from './fixtures.js';

function indexed(btf: Btf, name: string): unknown {
  const index = new NameIndex(btf.table, btf.strings);
  index.build(1_000_000);
  return { exact: [...index.find(name)], essential: index.findEssential(name) };
}

function scanned(btf: Btf, ...names: readonly string[]): ReadonlyMap<string, unknown> {
  const scan = new NameScan(btf.table, btf.strings);
  for (const name of names) expect(scan.search(name)).toBe(true);
  return scan.finish();
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

test('as an index does, for any names', () => {
  fc.assert(
    fc.property(fc.array(someName), fc.array(someName), fc.array(someName, { minLength: 1 }), (inBase, own, wanted) => {
      const base = btfNaming(inBase);
      const split = btfNaming(own, base);
      for (const btf of [base, split]) {
        const found = scanned(btf, ...wanted);
        for (const name of wanted) expect(found.get(name)).toEqual(indexed(btf, name));
      }
    }),
    { numRuns: 200 },
  );
});

test.each(samples())('as an index does, for every name in $name', ({ sections }) => {
  const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name: 'sample' });
  const names = btf.allStrings();
  expect(names.length).toBeGreaterThan(5);
  const found = scanned(btf, ...names);
  for (const name of names) expect(found.get(name)).toEqual(indexed(btf, name));
});

test('a name that hundreds of strings end in is left to the index', () => {
  const btf = btfNaming(Array.from({ length: 5000 }, (_, index) => `n${index}_x`));
  expect(new NameScan(btf.table, btf.strings).search('x')).toBe(false);
  expect(btf.find('x')).toBeUndefined();
  expect(btf.find('n7_x')).toBe(8);
});

test('no name is found in what is no name', () => {
  const btf = btfNaming(['a', 'b']);
  for (const name of ['', 'a\0b', '\0']) expect(scanned(btf, name).get(name)).toEqual({ exact: [], essential: [] });
});

test('names can be made ready together, few or many', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `type_${index}`);
  for (const count of [0, 1, 8, 9, 100]) {
    const btf = btfNaming(names);
    await btf.prepareNames(names.slice(0, count));
    expect(names.map((name) => btf.find(name))).toEqual(names.map((_, index) => index + 1));
  }
});
