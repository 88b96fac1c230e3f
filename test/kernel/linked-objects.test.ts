// What `bpftool gen object` makes of the samples: one object of several, with sections, symbols and BTF merged.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ArrayMap, Ebpf, ObjectSpec, ProgramType, type MapSpec } from '../../lib/index.js';
import { installed } from '../helpers/installed.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'linked-objects-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function parse(path: string): ObjectSpec {
  return ObjectSpec.parse(new Uint8Array(readFileSync(path)), { name: 'linked.bpf.o' });
}

function linked(...names: string[]): ObjectSpec {
  const path = join(folder, `${names.join('-')}.o`);
  execFileSync('bpftool', ['gen', 'object', path, ...names.map(sample)], { stdio: 'pipe' });
  return parse(path);
}

/** What must survive: all but ids of types, and places in sections that grew together. */
function contents(spec: ObjectSpec): unknown {
  const programs = [...spec.programs.values()].map(({ name, section, type, attachTo, autoload, flags }) => {
    const { instructions } = spec.program(name);
    return { name, section, type, attachTo, autoload, flags, count: instructions.byteLength / 8 };
  });
  const maps = [...spec.maps.values()].filter(({ kind }) => kind !== 'data').map(mapContents);
  const variables = [...spec.variables].map(([name, variable]) => ({
    name,
    section: variable.section,
    value: variable.value,
    type: variable.type.name,
  }));
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return {
    license: spec.license,
    programs: programs.sort(byName),
    maps: maps.sort(byName),
    variables: variables.sort(byName),
    functions: [...spec.functions.keys()].sort(),
    externs: [...spec.externs.values()].map(({ name, weak, section }) => ({ name, weak, section })).sort(byName),
  };
}

function mapContents(map: MapSpec): { name: string } & Record<string, unknown> {
  const { name, kind, type, keySize, valueSize, maxEntries, flags, numaNode, mapExtra, autoCreate, slots } = map;
  const inner = map.inner === undefined ? undefined : mapContents(map.inner);
  const operations = [...map.operations];
  return {
    name,
    kind,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    numaNode,
    mapExtra,
    autoCreate,
    slots,
    inner,
    operations,
  };
}

const hasLinker = installed('bpftool');

for (const name of ['arena', 'callbacks', 'core', 'map_values', 'maps', 'struct_ops', 'subprograms']) {
  testIf(hasLinker, 'bpftool')(`${name}, linked alone, is what it was`, () => {
    expect(contents(linked(name))).toEqual(contents(parse(sample(name))));
  });
}

testIf(hasLinker, 'bpftool')('several objects in one are all of them', () => {
  const names = ['externs', 'kfunc', 'maps', 'two_rings'];
  const whole = linked(...names);
  for (const name of names) {
    const part = parse(sample(name));
    expect([...whole.programs.keys()]).toEqual(expect.arrayContaining([...part.programs.keys()]));
    expect([...whole.maps.keys()]).toEqual(expect.arrayContaining([...part.maps.keys()]));
    for (const [variable, { type, value, section }] of part.variables) {
      expect({ variable, value: whole.variable(variable).value }).toEqual({ variable, value });
      expect(whole.variable(variable)).toMatchObject({ section, type: { kind: type.kind, name: type.name } });
    }
  }
});

testIf(hasLinker, 'bpftool')('what is linked runs', async () => {
  const spec = linked('map_values', 'maps');
  spec.program('letters').type = ProgramType.SOCKET_FILTER;
  await using ebpf = await Ebpf.load(spec);
  ebpf.map('second', ArrayMap).set(0, 77n);
  ebpf.variable('wanted_slot').value = 3;
  await ebpf.program('look').testRun({ data: new Uint8Array(64) });
  expect([ebpf.variable('found').value, ebpf.variable('sum').value]).toEqual([77n, 18n]);
  await ebpf.program('touch').testRun({ context: new Uint8Array(16) });
  expect([ebpf.variable('touched').value, ebpf.variable('data_u8').value]).toEqual([1n, 201]);
});
