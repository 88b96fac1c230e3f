import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { commandLine } from '../helpers/command-line.js';
import { Executor, heldIds, nodeEbpf, RunningCommand, samples } from '../helpers/command.js';
import { livingIds } from '../helpers/kernel-ids.js';
import { until } from '../helpers/until.js';

const execsnoop = join(samples, 'execsnoop.bpf.o');
const names = ['first-program', 'second-program', 'third-program'];
let folder: string;
let executor: Executor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-cli-'));
  for (const name of names) symlinkSync('/bin/true', join(folder, name));
  executor = new Executor();
});

afterEach(async () => {
  await executor.end();
  rmSync(folder, { recursive: true });
});

async function executeAll(): Promise<{ pid: number; ppid: number; comm: string; filename: string }[]> {
  const executed = [];
  for (const name of names) {
    const filename = join(folder, name);
    executed.push({ pid: await executor.execute(filename), ppid: executor.pid, comm: name, filename });
  }
  return executed;
}

// Each starts Node, often twice, on a machine that may be busy.
jest.setTimeout(30_000);

describe('node-ebpf run', () => {
  test('prints the executions of one process as JSON, ends after --count and leaves nothing', async () => {
    const command = nodeEbpf([
      ...['run', execsnoop, '--events', 'events=event', '--json', '--count', '3'],
      ...['--set', `target_ppid=${executor.pid}`],
    ]);
    try {
      await command.shows(/Attached 1 program of execsnoop\.bpf\.o/);
      const held = heldIds(command.pid);
      expect([...held].map((entry) => entry.split(' ')[0])).toEqual(
        expect.arrayContaining(['prog_id', 'map_id', 'link_id']),
      );
      expect(livingIds(held)).toEqual([...held]);
      const executed = await executeAll();
      expect(await command.exit()).toBe(0);

      const lines = command.stdout.trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
        executed.map((one) => ({ ts: expect.stringMatching(/^\d+$/), uid: 0, ...one })),
      );
      expect(command.stderr).toContain('events: 3 events, 0 dropped\nexecs_by_uid: 1 entry\n');
      // The kernel frees them some time after their last user is gone.
      await until(() => livingIds(held).length === 0);
    } finally {
      await command.end();
    }
  });

  test('prints what iterators write, as lines and as records, and ends when that is all', async () => {
    const iterators = join(samples, 'iterators.bpf.o');
    const text = await commandLine('run', iterators, '--events', 'write_task=task_entry');
    expect(text).toMatchObject({ status: 0, stderr: expect.stringContaining('Attached 2 programs') as unknown });
    expect(text.stdout).toMatch(
      new RegExp(
        `^dump_task:\\nprocess thread comm\\n[^]*^${process.pid} ${process.pid} [^]*^write_task:\\nPROCESS +THREAD +COMM`,
        'm',
      ),
    );
    const { stdout } = await commandLine('run', iterators, '--events', 'write_task=struct task_entry', '--json');
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toContainEqual({ program: 'dump_task', line: 'process thread comm' });
    const record = expect.objectContaining({ process: process.pid, thread: process.pid }) as unknown;
    expect(lines).toContainEqual({ program: 'write_task', record });
  });

  test('prints what programs log beside their events', async () => {
    const run = ['run', join(samples, 'logs.bpf.o'), '--set', `target_ppid=${executor.pid}`];
    const command = nodeEbpf([...run, '--log-level', 'debug']);
    const json = nodeEbpf([...run, '--log-level', 'debug', '--json']);
    const quiet = nodeEbpf([...run, '--logs']);
    try {
      for (const each of [command, json, quiet]) await each.shows(/Attached 1 program of logs\.bpf\.o/);
      await executeAll();
      const lines = names.map((name) => `${name.slice(0, 15)} executed ${join(folder, name)}`);
      await command.shows(/third-program\n/);
      await json.shows(/third-program"/);
      for (const each of [command, json, quiet]) {
        each.signal('SIGINT');
        expect(await each.exit()).toBe(0);
      }
      for (const line of lines) {
        expect(command.stderr).toMatch(new RegExp(`Z DEBUG executed logs\\.bpf\\.c:\\d+ ${line}\n`));
      }
      const logged = json.stderr.split('\n').filter((line) => line.startsWith('{'));
      expect(logged.map((line) => (JSON.parse(line) as { log: { message: string } }).log.message)).toEqual(lines);
      // The object's own level is info.
      expect(quiet.stderr).not.toContain('executed');
    } finally {
      for (const each of [command, json, quiet]) await each.end();
    }
  });

  test('prints aligned columns, and on Ctrl-C detaches and prints totals and maps', async () => {
    const command = nodeEbpf([
      ...['run', execsnoop, '--events', 'events=struct event'],
      ...['--set', `target_ppid=0x${executor.pid.toString(16)}`, '--set', 'target_uid=-1'],
    ]);
    try {
      await command.shows(/Attached/);
      const held = heldIds(command.pid);
      const executed = await executeAll();
      await command.shows(/third-program\n/);
      command.signal('SIGINT');
      expect(await command.exit()).toBe(0);

      const [header = '', ...rows] = command.stdout.split('\n');
      expect(header).toMatch(/^ *TS +PID +PPID +UID {2}COMM {14}FILENAME$/);
      for (const [index, one] of executed.entries()) {
        const row = rows[index] ?? '';
        expect(row.trim().split(/ +/).slice(1)).toEqual([
          String(one.pid),
          String(one.ppid),
          '0',
          one.comm,
          one.filename,
        ]);
        // Numbers end where their header ends, texts begin where theirs begins.
        expect(row.indexOf(` ${one.pid} `) + 1 + String(one.pid).length).toBe(header.indexOf(' PID') + 4);
        expect(row.indexOf(one.filename)).toBe(header.indexOf('FILENAME'));
      }
      expect(rows.slice(3).join('\n')).toMatch(
        /^\nevents: 3 events, 0 dropped\nexecs_by_uid: 1 entry\n {2}KEY {2}EXECS +LAST_TS\n {4}0 {6}3 {2}\d+\n$/,
      );
      await until(() => livingIds(held).length === 0);
    } finally {
      await command.end();
    }
  });

  test('escapes control characters that a process put into its name', async () => {
    const hostile = '\u001b[31m\nred';
    symlinkSync('/bin/true', join(folder, hostile));
    const command = nodeEbpf([
      ...['run', execsnoop, '--events', 'events=event', '--count', '1', '--set', `target_ppid=${executor.pid}`],
    ]);
    try {
      await command.shows(/Attached/);
      await executor.execute(join(folder, hostile));
      expect(await command.exit()).toBe(0);
      expect(command.stdout).toContain('\\x1b[31m\\x0ared');
      expect(command.stdout).not.toContain('\u001b');
    } finally {
      await command.end();
    }
  });

  test('ends after --duration, with nothing seen', async () => {
    const command = nodeEbpf([
      ...['run', execsnoop, '--events', 'events=event', '--duration', '0.2', '--set', `target_ppid=${executor.pid}`],
    ]);
    try {
      expect(await command.exit()).toBe(0);
      expect(command.stdout).toBe('events: 0 events, 0 dropped\nexecs_by_uid: 0 entries\n');
    } finally {
      await command.end();
    }
  });

  test('without a type prints bytes in hexadecimal and names the types there are', async () => {
    const command = nodeEbpf(['run', execsnoop, '--json', '--count', '1', '--set', `target_ppid=${executor.pid}`]);
    try {
      await command.shows(/Attached/);
      expect(command.stderr).toMatch(
        /^Records of events are printed as bytes; --events events=<type> decodes them\. Its types: .*\bevent\b.*\n/,
      );
      await executeAll();
      expect(await command.exit()).toBe(0);
      const { bytes } = JSON.parse(command.stdout) as { bytes: string };
      expect(bytes).toMatch(/^[0-9a-f]{336}$/);
      expect(Buffer.from(bytes, 'hex').toString('latin1')).toContain(join(folder, 'first-program'));
    } finally {
      await command.end();
    }
  });

  test('reads several rings at once, each event with the name of its ring', async () => {
    const command = nodeEbpf([
      ...['run', join(samples, 'two_rings.bpf.o'), '--json', '--count', '6'],
      ...['--events', 'starts=started', '--events', 'ends=ended', '--set', `target_ppid=${executor.pid}`],
    ]);
    try {
      await command.shows(/Attached 2 programs/);
      const executed = await executeAll();
      expect(await command.exit()).toBe(0);
      const events = command.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { map: string; event: { pid: number } });
      expect(events.filter(({ map }) => map === 'starts').map(({ event }) => event)).toEqual(
        executed.map(({ pid, comm }) => ({ pid, comm })),
      );
      expect(events.filter(({ map }) => map === 'ends').map(({ event }) => event.pid)).toEqual(
        executed.map(({ pid }) => pid),
      );
      expect(command.stderr).toContain('starts: 3 events, 0 dropped\n');
      expect(command.stderr).toContain('ends: 3 events, drops are not counted by the object\n');
    } finally {
      await command.end();
    }
  });

  test('ends quietly when nobody reads its output any more', async () => {
    const main = join(__dirname, '../../dist/cli/main.js');
    const flags = `--events events=event --json --set target_ppid=${executor.pid}`;
    const pipe = `{ "${process.execPath}" "${main}" run "${execsnoop}" ${flags}; echo "status $?" >&2; } | head -n 1`;
    const command = new RunningCommand('/bin/sh', ['-c', pipe]);
    try {
      await command.shows(/Attached/);
      // Only a write after `head` ended finds nobody, and one write may hold all that was executed before.
      while (!command.stderr.includes('status')) await executeAll();
      expect(await command.exit()).toBe(0);
      expect(command.stdout).toMatch(/^\{.*\}\n$/);
      expect(command.stderr).toMatch(/status 0\n$/);
      expect(command.stderr).not.toMatch(/EPIPE|Error/);
    } finally {
      await command.end();
    }
  });

  test('SIGTERM ends it as Ctrl-C does', async () => {
    const command = nodeEbpf(['run', execsnoop, '--json']);
    try {
      await command.shows(/Attached/);
      command.signal('SIGTERM');
      expect(await command.exit()).toBe(0);
      expect(command.stderr).toContain('execs_by_uid:');
    } finally {
      await command.end();
    }
  });
});

describe('what node-ebpf says when it cannot', () => {
  test('a ring or a type that does not exist', async () => {
    const ring = await commandLine('run', execsnoop, '--events', 'event=event');
    expect(ring.status).toBe(1);
    expect(ring.stderr).toMatch(/ERR_EBPF_NOT_FOUND: no map .*"event"; did you mean "events"\?\n$/);
    const type = await commandLine('run', execsnoop, '--events', 'events=evnt');
    expect(type.status).toBe(1);
    expect(type.stderr).toMatch(/ERR_EBPF_NOT_FOUND: no type .*"evnt"; did you mean "event"\?\n$/);
    const hash = await commandLine('run', execsnoop, '--events', 'execs_by_uid=event');
    expect(hash.status).toBe(1);
    expect(hash.stderr).toMatch(/ERR_EBPF_INVALID_VALUE: .*"execs_by_uid".*HASH.*RingBuffer/);
  });

  test('a program that the verifier refuses: the reason and the C line', async () => {
    const { status, stderr } = await commandLine('run', join(samples, 'rejected.bpf.o'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^node-ebpf: ERR_EBPF_VERIFIER: .*unchecked/);
    expect(stderr).toContain("R0 invalid mem access 'map_value_or_null'");
    expect(stderr).toMatch(/rejected\.bpf\.c:20.*\*count \+= 1;/);
  });

  test('without rights: which capability is missing', async () => {
    const command = nodeEbpf(['run', execsnoop, '--events', 'events=event'], { withoutCapabilities: true });
    try {
      expect(await command.exit()).toBe(77);
      expect(command.stdout).toBe('');
      expect(command.stderr).toMatch(/^node-ebpf: ERR_EBPF_PERMISSION: .*CAP_BPF/);
      expect(command.stderr).not.toMatch(/^ {4}at .*\.js:/m);
    } finally {
      await command.end();
    }
  });

  test('NODE_DEBUG=ebpf adds the stack', async () => {
    const command = nodeEbpf(['run', execsnoop, '--set', 'nosuch=1'], { env: { NODE_DEBUG: 'ebpf' } });
    try {
      expect(await command.exit()).toBe(1);
      expect(command.stderr).toMatch(/^ {4}at .*\.js:\d+/m);
    } finally {
      await command.end();
    }
  });
});
