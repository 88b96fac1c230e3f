import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import fc from 'fast-check';

import { Btf, BtfBuilder, BtfKind, type BtfMember } from '../../../lib/btf/index.js';
import { fetchedKernels } from '../../helpers/fetched-kernels.js';
import { testIf } from '../../helpers/skip.js';
import { elfSections, parse, samples } from './fixtures.js';

// What clang makes of the C is the judge: it compiles for BPF, and the BTF that it writes must have the layout we began with.

const kernelPath = '/sys/kernel/btf/vmlinux';
const hasClang = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .some((dir) => existsSync(path.join(dir, 'clang-19')));
const clangTest = testIf(hasClang, 'clang-19');
const kernelTest = testIf(existsSync(kernelPath) && hasClang, existsSync(kernelPath) ? 'clang-19' : 'kernel BTF');

/** Compiles `header` and `source`, without a warning, and reads the BTF of the object. */
function compile(header: string, source: string, target = 'bpf'): Btf {
  const folder = mkdtempSync(path.join(tmpdir(), 'btf-to-c-'));
  try {
    writeFileSync(path.join(folder, 'vmlinux.h'), header);
    writeFileSync(path.join(folder, 'test.c'), `#include "vmlinux.h"\n${source}`);
    const flags = ['-target', target, '-g', '-O0', '-Wall', '-Wextra', '-Werror', '-std=gnu11'];
    execFileSync('clang-19', [...flags, '-c', 'test.c', '-o', 'test.o'], { cwd: folder, stdio: 'pipe' });
    const sections = elfSections(readFileSync(path.join(folder, 'test.o')));
    return Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name: 'test.o' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every named member, those of anonymous structs included, with bits from the start and its size; padding left out. */
function layoutOf(btf: Btf, id: number, base = 0): string[] {
  const type = btf.type(id);
  if (type.kind !== BtfKind.STRUCT && type.kind !== BtfKind.UNION) return [];
  return type.members.flatMap((member) => {
    const inner = btf.skipModifiers(member.type);
    const at = base + member.bitOffset;
    const nested = btf.nameOf(inner) === '' || member.name === '' ? layoutOf(btf, inner, at) : [];
    if (member.name === '' || member.name.startsWith('__padding')) return nested;
    const size = member.bitSize === 0 ? `${btf.sizeOf(member.type)} bytes` : `${member.bitSize} bits`;
    return [`${member.name} at ${at}: ${size}`, ...nested];
  });
}

const keyword = (btf: Btf, id: number): string => (btf.kind(id) === BtfKind.UNION ? 'union' : 'struct');

function expectSameLayouts(btf: Btf, ids: readonly number[]): void {
  const variables = ids.map((id, index) => `${keyword(btf, id)} ${btf.nameOf(id)} variable_${index};`);
  const compiled = compile(btf.toC(), variables.join('\n'));
  const describe = (from: Btf, id: number): string =>
    [from.nameOf(id), `${from.sizeOf(id)} bytes`, ...layoutOf(from, id)].join('\n');
  // One comparison: expect() for each of 10,000 types would take longer than clang.
  const differences = ids.flatMap((id) => {
    const wanted = describe(btf, id);
    const got = describe(compiled, compiled.find(btf.nameOf(id), btf.kind(id)) ?? 0);
    return wanted === got ? [] : [{ wanted, got }];
  });
  expect(differences).toEqual([]);
}

describe('the C print of the running kernel', () => {
  const btf = existsSync(kernelPath) ? Btf.parse(readFileSync(kernelPath), { name: 'vmlinux' }) : undefined;
  const tags = new Set<number>([BtfKind.STRUCT, BtfKind.UNION, BtfKind.ENUM, BtfKind.ENUM64, BtfKind.FWD]);

  /** Structs and unions whose name is theirs alone, so that C calls them the same. */
  function uniquelyNamed(from: Btf): number[] {
    const counts = new Map<string, number>();
    const found: number[] = [];
    for (let id = 1; id < from.endId; id++) {
      const name = from.nameOf(id);
      if (name === '' || !tags.has(from.kind(id))) continue;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (from.kind(id) === BtfKind.STRUCT || from.kind(id) === BtfKind.UNION) found.push(id);
    }
    return found.filter((id) => counts.get(from.nameOf(id)) === 1);
  }

  /** Has clang check sizeof of 200 structs and offsetof of all their members. */
  function expectSampledLayouts(from: Btf): void {
    const ids = uniquelyNamed(from);
    const sampled = ids.filter((_, index) => index % Math.floor(ids.length / 200) === 0);
    expect(sampled.length).toBeGreaterThanOrEqual(200);
    const asserts = sampled.flatMap((id) => {
      const type = from.type(id);
      const c = `${keyword(from, id)} ${type.name}`;
      const members = type.kind === BtfKind.STRUCT || type.kind === BtfKind.UNION ? type.members : [];
      const offsets = members
        .filter(({ name, bitSize }) => name !== '' && bitSize === 0)
        .map(({ name, bitOffset }) => `_Static_assert(__builtin_offsetof(${c}, ${name}) == ${bitOffset / 8}, "");`);
      return [`_Static_assert(sizeof(${c}) == ${from.sizeOf(id)}, "");`, ...offsets];
    });
    expect(asserts.length).toBeGreaterThan(1_000);
    const target = from.littleEndian ? 'bpfel' : 'bpfeb';
    compile(from.toC(), `${asserts.join('\n')}\nint some_variable;`, target);
  }

  kernelTest('gives sizeof and offsetof of 200 sampled structs by _Static_assert', () => {
    if (btf === undefined) throw new Error('no kernel BTF');
    expectSampledLayouts(btf);
  });

  const kernels = fetchedKernels();
  for (const { name, btf: file } of kernels.length === 0 ? [{ name: 'none', btf: '' }] : kernels) {
    testIf(hasClang && kernels.length > 0, hasClang ? 'fetched kernels' : 'clang-19')(
      `does so for the fetched kernel ${name}`,
      () => {
        expectSampledLayouts(Btf.parse(readFileSync(file), { name }));
      },
    );
  }

  kernelTest('gives every bit of 2,000 structs and unions, bit-fields and packed ones too', () => {
    if (btf === undefined) throw new Error('no kernel BTF');
    const ids = uniquelyNamed(btf).filter((_, index) => index % 5 === 0);
    expect(ids.length).toBeGreaterThan(1_000);
    expectSameLayouts(btf, ids);
  });
});

clangTest('the C print of every sample compiles', () => {
  for (const { name, sections } of samples()) {
    const btf = Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name });
    compile(btf.toC(), 'int some_variable;');
  }
});

interface Place {
  readonly bytes: number;
  readonly gap: number;
  readonly bits: number;
}

/** Members one after the other with gaps between them; bit-fields where `bits` says so. */
function place(
  builder: BtfBuilder,
  places: readonly Place[],
  union: boolean,
  name: string,
  tail: number,
): { id: number; size: number } {
  let at = 0;
  let end = 0;
  const members = places.map(({ bytes, gap, bits }, index): BtfMember => {
    const type = builder.addInt({ 1: 'char', 2: 'short', 4: 'int', 8: 'long', 16: '__int128' }[bytes] ?? '', {
      size: bytes,
      signed: true,
    });
    const isBitField = bits > 0 && bits <= bytes * 8;
    const bitOffset = union ? 0 : isBitField ? at + gap : Math.ceil(at / 8) * 8 + gap * 8;
    at = bitOffset + (isBitField ? bits : bytes * 8);
    end = Math.max(end, at);
    return { name: `m${index}`, type, bitOffset, bitSize: isBitField ? bits : 0 };
  });
  const size = Math.ceil(end / 8) + tail;
  return { id: union ? builder.addUnion(name, size, members) : builder.addStruct(name, size, members), size };
}

clangTest('structs and unions of any offsets, widths and sizes are laid out as BTF says', () => {
  const arbitrary = fc.record({
    places: fc.array(
      fc.record({
        bytes: fc.constantFrom(1, 2, 4, 8, 16),
        gap: fc.constantFrom(0, 0, 0, 1, 3, 4, 8, 24, 700),
        bits: fc.constantFrom(0, 0, 1, 3, 7, 9, 17, 31, 33, 64),
      }),
      { maxLength: 6 },
    ),
    union: fc.boolean(),
    tail: fc.constantFrom(0, 0, 1, 4, 8, 40, 600),
  });
  const builder = new BtfBuilder({ littleEndian: true });
  const ids = fc.sample(arbitrary, { numRuns: 400, seed: 4 }).flatMap(({ places, union, tail }, index) => {
    const { id, size } = place(builder, places, union, `shape_${index}`, tail);
    // Inside another one, where its alignment counts.
    const members = [
      { name: 'before', type: id, bitOffset: 24, bitSize: 0 },
      { name: 'after', type: id, bitOffset: 24 + size * 8, bitSize: 0 },
    ];
    return [id, builder.addStruct(`outer_${index}`, 2 * size + 5, members)];
  });
  const btf = parse(builder.encode());
  expectSameLayouts(btf, ids);
});
