// What the kernel holds, and who holds it: the functions, and `node-ebpf program`, `link` and `map list`.
import { Ebpf, holders, listLinks, RawTracepoint, type Holder, type Link, type Program } from '../../lib/index.js';
import { RunningCommand } from '../helpers/command.js';
import { commandLine } from '../helpers/command-line.js';
import { sample } from '../helpers/samples.js';

let ebpf: Ebpf;
let program: Program;
let link: Link;

beforeAll(async () => {
  ebpf = await Ebpf.load(sample('raw_tracepoint'), { variables: { target_pid: process.pid } });
  program = ebpf.program('on_exec');
  link = await ebpf.program('on_exec', RawTracepoint).attach();
});
afterAll(async () => {
  await ebpf.close();
});

const rows = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const own = (of: readonly Holder[] | undefined): Holder | undefined => of?.find(({ pid }) => pid === process.pid);

describe('holders', () => {
  test('names this process for what it has open, and nobody for what is closed', async () => {
    const closed = await Ebpf.load(sample('maps'));
    const gone = closed.program('touch').info().id;
    const before = await holders();
    expect(own(before.programs.get(gone))).toBeDefined();
    await closed.close();
    const { maps, programs, links } = await holders();
    for (const map of ebpf.maps) expect(own(maps.get(map.info().id))).toMatchObject({ pid: process.pid });
    expect(own(programs.get(program.info().id))).toBeDefined();
    expect(own(links.get(link.info().id))).toBeDefined();
    expect(own(programs.get(gone))).toBeUndefined();
    // Each process once, however many descriptors it has.
    const pids = programs.get(program.info().id)?.map(({ pid }) => pid) ?? [];
    expect(pids).toEqual([...new Set(pids)]);
  });

  test('without capabilities sees what it may', async () => {
    const script = `require('./dist').holders().then(({ maps }) => console.log(maps.size >= 0))`;
    const command = new RunningCommand(process.execPath, ['-e', script], { withoutCapabilities: true });
    try {
      expect([await command.exit(), command.stderr, command.stdout]).toEqual([0, '', 'true\n']);
    } finally {
      await command.end();
    }
  });

  test('lets the event loop go on', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await holders();
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });
});

describe('node-ebpf', () => {
  test('program list', async () => {
    const { id, name } = program.info();
    const json = await commandLine('program', 'list', '--json');
    expect([json.status, json.stderr]).toEqual([0, '']);
    const found = rows(json.stdout).find((row) => row['id'] === id);
    expect(found).toMatchObject({ name, type: 'raw_tracepoint', runCount: expect.any(String) as string });
    expect(own(found?.['holders'] as Holder[])).toBeDefined();
    const table = await commandLine('program', 'list');
    expect(table.stdout).toMatch(/^ *ID +TYPE +NAME +TAG +LOADED +MAPS +HOLDERS/);
    expect(table.stdout).toMatch(new RegExp(`^ *${id} +raw_tracepoint +on_exec .*\\(${process.pid}\\)`, 'm'));
  });

  test('program dump, by id and name', async () => {
    const { id } = program.info();
    const byId = await commandLine('program', 'dump', String(id));
    expect(byId).toMatchObject({ status: 0, stderr: '', stdout: String(await program.translatedCode()) });
    expect(byId.stdout).toMatch(/^on_exec:\n/);
    expect(await commandLine('program', 'dump', 'no_such_program')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'node-ebpf: no program is named no_such_program; node-ebpf program list shows them\n',
    });
    for (const wrong of [[], ['dump'], ['list', 'more'], ['show'], ['dump', '1', '2']]) {
      expect(await commandLine('program', ...wrong)).toMatchObject({ status: 2, stdout: '' });
    }
    expect((await commandLine('program', '--help')).stdout).toMatch(/^Usage: node-ebpf program list/);
  });

  test('link list', async () => {
    const info = link.info();
    const json = await commandLine('link', 'list', '--json');
    const found = rows(json.stdout).find((row) => row['id'] === info.id);
    expect(found).toMatchObject({
      kind: 'raw_tracepoint',
      name: 'sched_process_exec',
      program: 'on_exec',
      cookie: '0',
    });
    expect(own(found?.['holders'] as Holder[])).toBeDefined();
    const table = await commandLine('link', 'list');
    const line = ` *${info.id} +raw_tracepoint +${info.programId} +on_exec +raw_tp sched_process_exec +.*\\(${process.pid}\\)`;
    expect(table.stdout).toMatch(new RegExp(`^${line}`, 'm'));
    expect(rows(json.stdout).map((row) => row['id'])).toEqual(expect.arrayContaining(listLinks().map(({ id }) => id)));
    for (const wrong of [[], ['list', 'more'], ['show']]) {
      expect(await commandLine('link', ...wrong)).toMatchObject({ status: 2, stdout: '' });
    }
    expect((await commandLine('link', '--help')).stdout).toMatch(/^Usage: node-ebpf link list/);
  });

  test('map list names who has a map open', async () => {
    const [map] = ebpf.maps;
    const json = await commandLine('map', 'list', '--json');
    const found = rows(json.stdout).find((row) => row['id'] === map?.info().id);
    expect(own(found?.['holders'] as Holder[])).toBeDefined();
  });
});
