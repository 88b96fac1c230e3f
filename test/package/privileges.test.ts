// The installed package without root: a user with a few capabilities, in namespaces of its own where it needs an interface or tracefs.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { repository, samples } from '../helpers/command.js';
import { newApp, packed } from '../helpers/packed.js';

const { commands } = packed();
const app = newApp();
const programs = join(repository, 'test/package/programs');
for (const name of readdirSync(programs)) copyFileSync(join(programs, name), join(app, name));
for (const name of ['execsnoop', 'xdp', 'tracepoint'])
  copyFileSync(join(samples, `${name}.bpf.o`), join(app, `${name}.bpf.o`));
chmodSync(app, 0o755);
afterAll(() => {
  rmSync(app, { recursive: true });
});

interface Outcome {
  readonly name?: string;
  readonly code?: string;
  readonly obstacles?: string[];
  readonly message?: string;
  readonly seen?: string[];
}

/** Runs a program of ours as nobody with these capabilities and no other, after `first` was run as root. */
function asNobody(
  capabilities: readonly string[],
  args: readonly string[],
  first = 'true',
  namespaces = ['-m'],
): Outcome {
  const own = ['-all', ...capabilities.map((name) => `+${name}`)].join();
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const sets = ['--inh-caps', '--ambient-caps', '--bounding-set'].map((set) => `${set}=${own}`);
  const script = `set -e; ${first}; exec setpriv ${[...user, ...sets].join(' ')} "$@"`;
  const words = [...namespaces, 'sh', '-c', script, 'sh', process.execPath, ...args];
  const { PATH = '' } = process.env;
  const env = { PATH: `${commands}:${PATH}` };
  const { status, stdout, stderr } = spawnSync('unshare', words, { cwd: app, env, encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`);
  return JSON.parse(stdout) as Outcome;
}

describe('tracing', () => {
  const execsnoop = ['smoke.cjs', 'execsnoop.bpf.o'];

  test('CAP_BPF and CAP_PERFMON are enough for execsnoop, which is attached by BTF', () => {
    expect(asNobody(['bpf', 'perfmon'], execsnoop).seen).toEqual(['true', '/bin/true']);
  });

  test.each([
    [['bpf'], 'missing CAP_PERFMON'],
    [['perfmon'], 'missing CAP_BPF'],
    [[], 'missing CAP_BPF and CAP_PERFMON'],
  ])('with %j the error names what is missing', (capabilities, obstacle) => {
    const { name, code, obstacles, message } = asNobody(capabilities, ['load.mjs', 'execsnoop.bpf.o']);
    expect([name, code, obstacles?.[0]]).toEqual(['PermissionError', 'ERR_EBPF_PERMISSION', obstacle]);
    expect(message).toContain(obstacle);
  });

  test("a classic tracepoint needs tracefs, which is root's: the error says so", () => {
    const mount = 'mount -t tracefs tracefs /sys/kernel/tracing';
    const { name, obstacles, message } = asNobody(['bpf', 'perfmon'], ['load.mjs', 'tracepoint.bpf.o'], mount);
    expect([name, obstacles]).toEqual(['PermissionError', ['the mode of /sys/kernel/tracing']]);
    expect(message).toMatch(/tracefs is readable by root only, unless it is mounted with a mode or group of yours/);
  });
});

describe('networking', () => {
  const link = 'ip link add left type veth peer name right && ip link set left up';
  const xdp = (...capabilities: string[]): Outcome => asNobody(capabilities, ['xdp.mjs', 'xdp.bpf.o'], link, ['-n']);

  test('CAP_BPF and CAP_NET_ADMIN are enough to attach XDP in a network namespace', () => {
    expect(xdp('bpf', 'net_admin').name).toBe('attached');
  });

  test.each([
    [['bpf'], 'missing CAP_NET_ADMIN'],
    [['net_admin'], 'missing CAP_BPF'],
    [[], 'missing CAP_BPF and CAP_NET_ADMIN'],
  ])('with %j the error names what is missing', (capabilities, obstacle) => {
    const { name, code, obstacles } = xdp(...capabilities);
    expect([name, code, obstacles?.[0]]).toEqual(['PermissionError', 'ERR_EBPF_PERMISSION', obstacle]);
  });
});
