import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { MapType } from '../../../lib/abi/index.js';
import { disassemble } from '../../../lib/asm/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const samples = join(__dirname, '../../../bpf-samples');

function parse(builder: ObjectBuilder): ObjectSpec {
  return ObjectSpec.parse(builder.encode(), { name: 'x.o' });
}

function withArenas(...names: string[]): ObjectBuilder {
  const builder = new ObjectBuilder();
  for (const name of names) builder.map(name, [['type', builder.uint(MapType.ARENA)]]);
  return builder;
}

test.each(['bpf', 'bpfeb'])('global variables of an arena are its contents: %s', (suffix) => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(join(samples, `arena.${suffix}.o`))));
  const map = spec.map('memory');
  expect(map).toMatchObject({ type: MapType.ARENA, maxEntries: 16, mapExtra: 1n << 44n, valueSize: 0 });
  expect(map.globalsSize).toBe(map.initialValue?.byteLength);
  expect(spec.variable('runs')).toMatchObject({ section: '.addr_space.1', map: 'memory', value: 5, constant: false });
  expect(spec.variable('label').value).toBe('arena');
  const references = spec.program('touch').function.references.filter(({ kind }) => kind === 'data');
  expect(references).toContainEqual(
    expect.objectContaining({ map: 'memory', offsetInMap: spec.variable('runs').offset }),
  );
  expect(disassemble(spec.program('touch').instructions, spec.littleEndian)).toMatch(
    /r1 = addr_space_cast\(r1, 0, 1\)/,
  );
});

test('a copy has contents of its own', () => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(join(samples, 'arena.bpf.o'))));
  const copy = spec.clone();
  copy.variable('runs').value = 9;
  expect([spec.variable('runs').value, copy.variable('runs').value]).toEqual([5, 9]);
  expect(copy.variable('runs').section).toBe('.addr_space.1');
  const { globalsSize } = spec.map('memory');
  expect(() => (copy.map('memory').initialValue = new Uint8Array(1))).toThrow(
    `1 bytes, where globalsSize is ${globalsSize}`,
  );
});

test('an arena need not have any', () => {
  expect(parse(withArenas('one')).map('one')).toMatchObject({ globalsSize: 0, initialValue: undefined });
});

test('two arenas are refused', () => {
  expect(() => parse(withArenas('one', 'two'))).toThrow('maps "one" and "two" are arenas; there can be one');
});

test('variables need an arena, and contents', () => {
  const without = new ObjectBuilder();
  without.variables('.addr_space.1', [{ name: 'v', type: without.u32, size: 4 }], new Uint8Array(4));
  expect(() => parse(without)).toThrow('no map of type ARENA that they could be in');
  const stripped = withArenas('one');
  stripped.variables('.addr_space.1', [{ name: 'v', type: stripped.u32, size: 4 }]);
  expect(() => parse(stripped)).toThrow('section .addr_space.1: its contents are missing');
});
