// What `node-ebpf` says before it needs a kernel.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { commandLine } from '../../helpers/command-line.js';

const repository = join(__dirname, '../../..');
const execsnoop = join(repository, 'bpf-samples/execsnoop.bpf.o');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-cli-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('a variable that does not exist: the nearest is offered', async () => {
  expect(await commandLine('run', execsnoop, '--set', 'target_pid=1')).toEqual({
    status: 1,
    stdout: '',
    stderr:
      'node-ebpf: ERR_EBPF_NOT_FOUND: no variable of "execsnoop.bpf.o" is named "target_pid"; did you mean "target_ppid" or "target_uid"?\n',
  });
});

test('a value that is no number, or too large', async () => {
  expect(await commandLine('run', execsnoop, '--set', 'target_ppid=init')).toEqual({
    status: 2,
    stdout: '',
    stderr: 'node-ebpf: --set target_ppid=init: expected a number such as 1000, -1 or 0x3e8\nTry: node-ebpf --help\n',
  });
  const { status, stderr } = await commandLine('run', execsnoop, '--set', 'target_ppid=4294967296');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^node-ebpf: ERR_EBPF_INVALID_VALUE: .*target_ppid.*4294967296/);
});

test('files that are not there, not whole, not objects', async () => {
  const missing = await commandLine('run', join(folder, 'missing.bpf.o'));
  expect(missing).toMatchObject({
    status: 1,
    stderr: `node-ebpf: cannot read ${join(folder, 'missing.bpf.o')}: no such file or directory (ENOENT)\n`,
  });
  expect(await commandLine('run', folder)).toMatchObject({
    status: 1,
    stderr: `node-ebpf: cannot read ${folder}: illegal operation on a directory (EISDIR)\n`,
  });
  const truncated = join(folder, 'truncated.bpf.o');
  copyFileSync(execsnoop, truncated);
  truncateSync(truncated, 3000);
  const cut = await commandLine('run', truncated);
  expect(cut.status).toBe(1);
  expect(cut.stderr).toMatch(/^node-ebpf: ERR_EBPF_OBJECT_FORMAT: truncated\.bpf\.o.*\n$/);
  const text = await commandLine('run', join(repository, 'bpf-samples/execsnoop.bpf.c'));
  expect(text.status).toBe(1);
  expect(text.stderr).toMatch(/^node-ebpf: ERR_EBPF_OBJECT_FORMAT: execsnoop\.bpf\.c.*\n$/);
});

test('a section that says no program type', async () => {
  const { status, stderr } = await commandLine('run', join(repository, 'bpf-samples/wrong_section.bpf.o'));
  expect(status).toBe(1);
  expect(stderr).toMatch(/^node-ebpf: ERR_EBPF_\w+: .*raw_tracepiont\/sys_enter/);
});

test('--help, --version, commands that do not exist', async () => {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };
  expect(await commandLine('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  expect(await commandLine('--help')).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^Usage: node-ebpf <command>[^]*\n {2}run +load/) as string,
    stderr: '',
  });
  expect(await commandLine('run', '--help')).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^Usage: node-ebpf run[^]*--events/) as string,
    stderr: '',
  });
  expect(await commandLine()).toEqual({ status: 2, stdout: '', stderr: expect.stringMatching(/^Usage:/) as string });
  expect(await commandLine('rum')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'node-ebpf: no command rum; the commands are: run, map, program, link, compile-cache\nTry: node-ebpf --help\n',
  });
  expect(await commandLine('run', execsnoop, '--colour')).toEqual({
    status: 2,
    stdout: '',
    stderr: expect.stringMatching(/Unknown option '--colour'/) as string,
  });
});
