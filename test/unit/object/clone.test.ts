import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { MapType } from '../../../lib/abi/index.js';
import { MapSpec, ObjectSpec } from '../../../lib/object/index.js';

const bytes = readFileSync(join(__dirname, '../../../bpf-samples/maps.bpf.o'));

/** The fields as they are now. */
function fields(spec: object): unknown {
  return Object.fromEntries(Object.entries(spec));
}

/** All that edits can change, as plain data. */
function contents(spec: ObjectSpec): unknown {
  return {
    license: spec.license,
    kernelVersion: spec.kernelVersion,
    programs: Array.from(spec.programs, ([name, program]) => [name, fields(program)]),
    maps: Array.from(spec.maps, ([name, map]) => [name, [fields(map), map.initialValue?.slice()]]),
    variables: Array.from(spec.variables, ([name, variable]) => [name, [fields(variable), variable.value]]),
  };
}

test('a clone is equal and shares code, types and unchanged data', () => {
  const spec = ObjectSpec.parse(bytes, { name: 'maps.bpf.o' });
  const clone = spec.clone();
  expect(contents(clone)).toEqual(contents(spec));
  expect(clone.name).toBe('maps.bpf.o');
  expect(clone.btf).toBe(spec.btf);
  expect(clone.btfBytes).toBe(spec.btfBytes);
  expect(clone.program('touch').function).toBe(spec.program('touch').function);
  expect(clone.map('.data').initialValue).toBe(spec.map('.data').initialValue);
});

test('edits of a clone never reach the original, nor the reverse', () => {
  const spec = ObjectSpec.parse(bytes);
  spec.variable('data_u8').value = 1;
  const before = contents(spec);
  const clone = spec.clone();
  clone.license = 'GPL';
  clone.map('flows').maxEntries = 1;
  clone.map('.data').pinning = 'by-name';
  clone.program('touch').autoload = false;
  clone.variable('data_u8').value = 2;
  clone.variable('touched').value = 3n;
  clone.variable('constant_s16').value = 4;
  clone.maps.delete('points');
  clone.functions.clear();
  expect(contents(spec)).toEqual(before);

  const cloned = contents(clone);
  spec.variable('data_u8').value = 5;
  spec.variable('touched').value = 6n;
  spec.map('flows').flags = 7;
  expect(contents(clone)).toEqual(cloned);
  expect([spec.variable('data_u8').value, clone.variable('data_u8').value]).toEqual([5, 2]);
});

test('the maps inside a map are copied too', () => {
  const inner = new MapSpec({ name: 'outer.inner', type: MapType.HASH, maxEntries: 1 });
  const outer = new MapSpec({ name: 'outer', type: MapType.ARRAY_OF_MAPS, inner });
  const clone = outer.clone();
  expect(clone.inner).toEqual(inner);
  if (clone.inner !== undefined) clone.inner.maxEntries = 2;
  expect(inner.maxEntries).toBe(1);
});

test('a spec can be made without a file', () => {
  const spec = new ObjectSpec({ name: 'made', littleEndian: true });
  spec.maps.set('m', new MapSpec({ name: 'm', type: MapType.ARRAY, keySize: 4, valueSize: 4, maxEntries: 1 }));
  expect(spec.clone().map('m')).toMatchObject({ kernelName: 'm', maxEntries: 1 });
  expect(spec.btfBytes).toBeUndefined();
});
