// Objects that we write, in the hands of others: the kernel through our own loader, and bpftool.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Ebpf, ObjectSpec } from '../../lib/index.js';
import { installed } from '../helpers/installed.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const parse = (name: string): ObjectSpec => ObjectSpec.parse(readFileSync(sample(name)), { name: `${name}.bpf.o` });

test.each(['maps', 'raw_tracepoint', 'subprograms', 'ring_burst'])('%s loads as written', async (name) => {
  const original = await Ebpf.load(parse(name));
  const written = await Ebpf.load(parse(name).toElf(), { name: `${name}.bpf.o` });
  try {
    // The kernel's digest of the code before it is rewritten, map descriptors left out.
    const tags = (of: Ebpf): unknown => of.programs.map((program) => [program.name, program.info().tag]);
    expect(tags(written)).toEqual(tags(original));
    const shapes = (of: Ebpf): unknown =>
      of.maps.map((map) => ({ ...map.info(), id: 0, btfId: 0, btfVmlinuxValueTypeId: 0 }));
    expect(shapes(written)).toEqual(shapes(original));
  } finally {
    await original.close();
    await written.close();
  }
});

test('edits are what the kernel gets', async () => {
  const spec = parse('maps');
  const [map] = [...spec.maps.values()].filter(({ kind, type }) => kind === 'declared' && type === 1);
  if (map === undefined) throw new Error('the sample has no hash');
  map.maxEntries = 77;
  spec.variable('data_u8').value = 9;
  const ebpf = await Ebpf.load(spec.toElf());
  try {
    expect(ebpf.map(map.name).maxEntries).toBe(77);
    expect(ebpf.variable('data_u8').value).toBe(9);
  } finally {
    await ebpf.close();
  }
});

describe('bpftool', () => {
  // `unseen` of map_values is static, which libbpf refuses in any object.
  const names = [
    'callbacks',
    'core',
    'execsnoop',
    'externs',
    'kfunc',
    'kprobe',
    'maps',
    'raw_tracepoint',
    'ring_burst',
    'subprograms',
  ];

  testIf(installed('bpftool'), 'bpftool')('links what we write, and reads what we edited', () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-write-'));
    try {
      for (const name of names) {
        const spec = parse(name);
        const file = join(folder, `${name}.bpf.o`);
        for (const map of spec.maps.values()) if (map.kind === 'declared') map.maxEntries *= 2;
        writeFileSync(file, spec.toElf());
        const linked = join(folder, 'linked.o');
        execFileSync('bpftool', ['gen', 'object', linked, file], { stdio: 'pipe' });
        const again = ObjectSpec.parse(readFileSync(linked), { name: `${name}.bpf.o` });
        const sizes = (of: ObjectSpec): unknown =>
          [...of.maps.values()].map((map) => [map.name, map.maxEntries]).sort();
        expect(sizes(again)).toEqual(sizes(spec));
        expect([...again.programs.keys()].sort()).toEqual([...spec.programs.keys()].sort());
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  testIf(installed('bpftool'), 'bpftool')('makes a skeleton of what we write', () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-write-'));
    try {
      const file = join(folder, 'maps.bpf.o');
      writeFileSync(file, parse('maps').toElf());
      const ours = execFileSync('bpftool', ['gen', 'skeleton', file], { encoding: 'utf8', maxBuffer: 1 << 24 });
      const theirs = execFileSync('bpftool', ['gen', 'skeleton', sample('maps')], {
        encoding: 'utf8',
        maxBuffer: 1 << 24,
      });
      // All but the bytes of the object: names of maps, programs and the layout of variables.
      const declared = (text: string): string => text.slice(0, text.indexOf('elf_bytes'));
      expect(declared(ours)).toBe(declared(theirs));
      expect(declared(ours)).toContain('struct maps_bpf__data');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
