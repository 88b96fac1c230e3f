import { Btf, BtfBuilder, BtfExt, BtfKind, typeName } from '../../../lib/btf/index.js';
import { allTypes, samples } from './fixtures.js';

const objects = samples();

describe.each(objects.map((sample) => [sample.name, sample] as const))('%s', (name, { sections }) => {
  const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name });
  const ext = BtfExt.parse(sections.get('.BTF.ext') ?? new Uint8Array(), btf, { name });

  test('is valid, and types added one by one to a builder are the same types', () => {
    btf.validate();
    const builder = new BtfBuilder({ littleEndian: btf.littleEndian });
    for (let id = 1; id < btf.endId; id++) builder.add(btf.type(id));
    expect(allTypes(Btf.parse(builder.encode(), { name }))).toEqual(allTypes(btf));
  });

  test('with its strings given first, a builder writes the same bytes, even when the input is gone', () => {
    const original = Uint8Array.from(btf.bytes);
    const input = Uint8Array.from(original);
    const read = Btf.parse(input, { name });
    const builder = new BtfBuilder({ littleEndian: read.littleEndian, strings: read.allStrings() });
    for (let id = 1; id < read.endId; id++) builder.add(read.type(id));
    input.fill(0);
    expect(builder.encode()).toEqual(original);
  });

  test('survives a change of byte order', () => {
    const other = Btf.parse(BtfBuilder.from(btf, { littleEndian: !btf.littleEndian }).encode(), { name });
    expect(other.littleEndian).toBe(!btf.littleEndian);
    expect(allTypes(other)).toEqual(allTypes(btf));
    const back = BtfBuilder.from(other, { littleEndian: btf.littleEndian }).encode();
    expect(back).toEqual(Uint8Array.from(btf.bytes));
  });

  test('functions are FUNCs, and everything belongs to sections of the object', () => {
    expect(ext.functions.length).toBeGreaterThan(0);
    for (const { section, offsets, typeIds } of ext.functions) {
      expect(sections.has(section)).toBe(true);
      expect([...typeIds].map((id) => btf.kind(id))).toEqual(Array.from(offsets, () => BtfKind.FUNC));
    }
    for (const { section, offsets } of [...ext.lines, ...ext.coreRelocations]) {
      const size = sections.get(section)?.byteLength ?? 0;
      for (const offset of offsets) {
        expect(offset % 8).toBe(0);
        expect(offset).toBeLessThan(size);
      }
    }
  });
});

describe.each(['execsnoop.bpf.o', 'execsnoop.bpfeb.o'])('%s by name', (name) => {
  const { sections } = objects.find((sample) => sample.name === name) ?? { sections: new Map<string, Uint8Array>() };
  const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name });
  const ext = BtfExt.parse(sections.get('.BTF.ext') ?? new Uint8Array(), btf, { name });

  test("the byte order is the file name's", () => {
    expect(btf.littleEndian).toBe(!name.includes('bpfeb'));
  });

  test('variables and maps are found', () => {
    const target = btf.find('target_uid', BtfKind.VAR) ?? 0;
    expect(typeName(btf, target)).toBe('const volatile __s64 target_uid');
    expect(btf.sizeOf(target)).toBe(8);
    expect(btf.find('.maps', BtfKind.DATASEC)).toBeDefined();
    expect(btf.find('events', BtfKind.VAR)).toBeDefined();
  });

  test('CO-RE relocations name the kernel types they start from', () => {
    const started = ext.coreRelocations.flatMap(({ typeIds }) => [...typeIds].map((id) => typeName(btf, id)));
    expect(started).toContain('struct task_struct');
    const accesses = ext.coreRelocations.flatMap(({ accessStrings }) => [...accessStrings].map((at) => btf.string(at)));
    for (const access of accesses) expect(access).toMatch(/^\d+(:\d+)*$/);
  });

  test('lines have file, text and number', () => {
    const program = ext.lines.find(({ section }) => section.startsWith('tp_btf'));
    expect(btf.string(program?.fileNames[0] ?? 0)).toContain('execsnoop.bpf.c');
    expect(btf.string(program?.texts[0] ?? 0)).toMatch(/\w/);
    expect((program?.lineColumns[0] ?? 0) >>> 10).toBeGreaterThan(0);
  });
});
