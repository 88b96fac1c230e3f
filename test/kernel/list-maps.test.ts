// What the kernel holds: `listMaps`, and `node-ebpf map`.
import { BpfMap, Ebpf, HashMap, MapType, listMaps, struct, u32, u64 } from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { commandLine } from '../helpers/command-line.js';
import { rawArguments, sample } from '../helpers/samples.js';

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('maps'));
  await ebpf.program('touch').testRun({ context: rawArguments(0) });
});

afterEach(async () => {
  await ebpf.close();
});

const idOf = (name: string): number => ebpf.map(name).info().id;

/** Lines of JSON as values. */
function parsed(lines: string): unknown[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

test('the maps of the kernel are listed by ascending id, as each says of itself', () => {
  const maps = listMaps();
  const ids = maps.map(({ id }) => id);
  expect(ids).toEqual([...ids].sort((a, b) => a - b));
  for (const map of ebpf.maps) expect(maps).toContainEqual(map.info());
  expect(maps.find(({ id }) => id === idOf('flows'))).toMatchObject({
    name: 'flows',
    type: MapType.HASH,
    keySize: 8,
    valueSize: 48,
    maxEntries: 128,
    flags: 0,
  });
});

test('a map says how much memory it takes', async () => {
  const sizes: number[] = [];
  for (const maxEntries of [64, 65_536]) {
    using map = await HashMap.create({ key: u32, value: u64, maxEntries });
    sizes.push(map.memoryUsage());
  }
  const [small = 0, large = 0] = sizes;
  expect(small).toBeGreaterThan(64 * 16);
  expect(large).toBeGreaterThan(65_536 * 16 + small);
  const map = ebpf.map('flows');
  await ebpf.close();
  expect(() => map.memoryUsage()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);
});

test('a map that is closed is no longer listed', async () => {
  using map = await HashMap.create({ name: 'for_a_moment', key: u32, value: u32, maxEntries: 1 });
  const { id } = map.info();
  expect(listMaps().map((each) => each.id)).toContain(id);
  map.close();
  expect(listMaps().map((each) => each.id)).not.toContain(id);
});

test('a map of another process is decoded by the types that the kernel has with it', async () => {
  for (const { id, name } of listMaps().filter((map) => ebpf.maps.some((own) => own.info().id === map.id))) {
    using map = BpfMap.open({ id }, { access: 'read' });
    expect(map.name).toBe(name);
    if (!(map instanceof HashMap) || name === 'untyped') continue;
    expect([...map]).toEqual([...ebpf.map(name, HashMap)]);
  }
  const { stdout } = await runChild(`${__dirname}/children/dump-map.ts`, [String(idOf('flows'))]);
  expect(stdout).toContain("label: 'flow'");
});

describe('node-ebpf map', () => {
  test('list prints every map, as a table and as JSON', async () => {
    const table = await commandLine('map', 'list');
    expect(table).toMatchObject({ status: 0, stderr: '' });
    expect(table.stdout).toMatch(/^ *ID {2}NAME +TYPE +KEY +VALUE +ENTRIES +HOLDERS\n/);
    expect(table.stdout).toMatch(
      new RegExp(`^ *${idOf('flows')} {2}flows +hash +8 +48 +128 .*\\(${process.pid}\\)`, 'm'),
    );
    const { stdout } = await commandLine('map', 'list', '--json');
    const { btfId } = ebpf.map('records').info();
    expect(parsed(stdout)).toContainEqual({
      id: idOf('records'),
      name: 'records',
      type: 'ringbuf',
      keySize: 0,
      valueSize: 0,
      maxEntries: 4096,
      flags: 0,
      btfId,
      holders: expect.arrayContaining([expect.objectContaining({ pid: process.pid })]) as unknown,
    });
  });

  test('dump prints the entries of a map, found by id or name', async () => {
    const entry = {
      key: { address: 0x7f00_0001, port: 80, protocol: 6, padding: 0 },
      value: {
        packets: '0',
        bytes: '1234605616436508552',
        from: { x: -1, y: 1 },
        label: 'flow',
        hardware: '010203040506',
        open: true,
        colour: 5,
      },
    };
    const json = await commandLine('map', 'dump', String(idOf('flows')), '--json');
    expect({ ...json, stdout: parsed(json.stdout) }).toEqual({ status: 0, stderr: '', stdout: [entry] });
    const table = await commandLine('map', 'dump', String(idOf('flows')));
    expect(table.stdout).toMatch(/KEY\.ADDRESS +KEY\.PORT .* +VALUE\.LABEL +/);
    expect(table.stdout).toContain('2130706433');

    using named = await HashMap.create({
      name: 'dump_by_name',
      key: u32,
      value: struct('c', { n: u64 }),
      maxEntries: 4,
    });
    named.set(5, { n: 6n });
    expect(parsed((await commandLine('map', 'dump', 'dump_by_name', '--json')).stdout)).toEqual([
      { key: 5, value: expect.anything() },
    ]);
    using second = await HashMap.create({ name: 'dump_by_name', key: u32, value: u32, maxEntries: 4 });
    expect(await commandLine('map', 'dump', 'dump_by_name')).toEqual({
      status: 1,
      stdout: '',
      stderr: `node-ebpf: 2 maps are named dump_by_name: ${named.info().id}, ${second.info().id}\n`,
    });
  });

  test('what cannot be dumped says why', async () => {
    expect(await commandLine('map', 'dump', String(idOf('records')))).toMatchObject({
      status: 1,
      stderr: 'node-ebpf: map records is of type ringbuf, which has no entries to print\n',
    });
    expect(await commandLine('map', 'dump', 'no_such_map')).toMatchObject({
      status: 1,
      stderr: 'node-ebpf: no map is named no_such_map; node-ebpf map list shows them\n',
    });
    expect(await commandLine('map', 'dump', '4294967295')).toMatchObject({ status: 1, stdout: '' });
    expect(await commandLine('map', 'dump', '/sys/fs/bpf/not-there')).toMatchObject({ status: 1, stdout: '' });
    for (const wrong of [[], ['dump'], ['list', 'more'], ['show'], ['dump', '1', '2']]) {
      expect(await commandLine('map', ...wrong)).toMatchObject({ status: 2, stdout: '' });
    }
    expect((await commandLine('map', '--help')).stdout).toMatch(/^Usage: node-ebpf map list/);
  });
});
