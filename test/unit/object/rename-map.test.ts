import { AttachType, MapType, ProgramType } from '../../../lib/abi/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { MapSpec, ObjectSpec, ProgramSpec, type FunctionSpec, type Reference } from '../../../lib/object/index.js';

const none = new Uint32Array(0);

function functionOf(name: string, references: readonly Reference[]): FunctionSpec {
  return {
    ...{ key: name, name, section: '.text', sectionOffset: 0, linkage: 'global', hidden: false, btfTypeId: 0 },
    ...{ code: new Uint8Array(16), littleEndian: true, references },
    lines: { offsets: none, fileNames: none, texts: none, lineColumns: none },
    coreRelocations: { offsets: none, typeIds: none, accessStrings: none, kinds: none },
  };
}

function mapOf(name: string, fields: Partial<ConstructorParameters<typeof MapSpec>[0]> = {}): MapSpec {
  return new MapSpec({ name, type: MapType.HASH, keySize: 4, valueSize: 4, maxEntries: 1, ...fields });
}

function object(): ObjectSpec {
  const uses: Reference[] = [
    { offset: 0, kind: 'map', map: 'flows' },
    { offset: 8, kind: 'map', map: 'other' },
  ];
  const program = (name: string, references: readonly Reference[]): [string, ProgramSpec] => [
    name,
    new ProgramSpec({
      ...{ name, section: 'raw_tp', kind: 'raw_tp', type: ProgramType.RAW_TRACEPOINT },
      ...{ attachType: AttachType.CGROUP_INET_INGRESS, function: functionOf(name, references) },
    }),
  ];
  return new ObjectSpec({
    name: 'test.bpf.o',
    littleEndian: true,
    maps: new Map([
      ['other', mapOf('other')],
      ['flows', mapOf('flows', { type: MapType.HASH_OF_MAPS, inner: mapOf('flows.inner') })],
      [
        'outer',
        mapOf('outer', {
          type: MapType.ARRAY_OF_MAPS,
          inner: mapOf('template'),
          slots: [
            { index: 0, kind: 'map', name: 'flows' },
            { index: 1, kind: 'map', name: 'other' },
          ],
        }),
      ],
      ['.data', mapOf('.data', { kind: 'data' })],
    ]),
    functions: new Map([['helper', functionOf('helper', uses)]]),
    programs: new Map([program('user', uses), program('stranger', uses.slice(1))]),
  });
}

test('a map is renamed in its place, with its inner map and all that refers to it', () => {
  const spec = object();
  const stranger = spec.program('stranger');
  spec.renameMap('flows', 'flows_of_the_other_kind');
  expect([...spec.maps.keys()]).toEqual(['other', 'flows_of_the_other_kind', 'outer', '.data']);
  expect(spec.map('flows_of_the_other_kind')).toMatchObject({
    ...{ name: 'flows_of_the_other_kind', kernelName: 'flows_of_the_ot', type: MapType.HASH_OF_MAPS },
    inner: { name: 'flows_of_the_other_kind.inner' },
  });
  expect(spec.map('outer').slots.map((slot) => slot.name)).toEqual(['flows_of_the_other_kind', 'other']);
  const uses = [{ map: 'flows_of_the_other_kind' }, { map: 'other' }];
  expect(spec.functions.get('helper')?.references).toMatchObject(uses);
  expect(spec.program('user').function.references).toMatchObject(uses);
  expect(spec.program('stranger')).toBe(stranger);
});

test('an inner map that has a name of its own keeps it', () => {
  const spec = object();
  spec.renameMap('outer', 'by_cpu');
  expect(spec.map('by_cpu').inner?.name).toBe('template');
});

test.each([
  ['.data', 'state', 'maps..data: a data map is named by its section'],
  ['flows', 'other', 'maps.flows: there is a map other already'],
  ['flwos', 'x', 'did you mean "flows"?'],
])('%s is not renamed to %s', (name, newName, problem) => {
  const spec = object();
  const rename = (): void => {
    spec.renameMap(name, newName);
  };
  expect(rename).toThrow(UsageError);
  expect(rename).toThrow(problem);
  expect([...spec.maps.keys()]).toEqual(['other', 'flows', 'outer', '.data']);
});
