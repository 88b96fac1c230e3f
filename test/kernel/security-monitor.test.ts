// The application in examples/security-monitor.
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Processes } from '../../examples/security-monitor/processes.js';
import { features } from '../../lib/index.js';
import { repository, runExample, RunningCommand } from '../helpers/command.js';
import { hasFentry, hasLsm } from '../helpers/kernel-hooks.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

interface Report {
  readonly kind: string;
  readonly action: string;
  readonly rule?: string;
  readonly pid: number;
  readonly comm: string;
  readonly ancestry: readonly string[];
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
}

const files = ['etc/passwd', 'etc/shadow', 'root/.ssh/authorized_keys', 'bin/tool'];
const logs = ['var/log/auth.log', 'var/log/wtmp', 'var/log/syslog', 'var/log/messages'];

/** Which rule is about which step of attack.mjs. */
const expected: readonly (readonly [step: string, rule: string, path?: string])[] = [
  ['add a user', 'accounts', 'etc/passwd'],
  ['preload a library', 'accounts', 'etc/ld.so.preload'],
  ['plant a job', 'jobs', 'etc/cron.d/job'],
  ['plant a folder of jobs', 'jobs', 'etc/cron.d/jobs'],
  ['link a job', 'jobs', 'etc/cron.d/link'],
  ['add a key', 'keys', 'root/.ssh/authorized_keys'],
  ['remove a log', 'logs', 'var/log/auth.log'],
  ['move a log away', 'logs', 'var/log/wtmp'],
  ['empty a log', 'logs', 'var/log/syslog'],
  ['write into a log', 'logs', 'var/log/messages'],
  ['make a program setuid', 'modes', 'bin/tool'],
  ['link to a secret', 'links'],
  ['run what was dropped', 'dropped programs', 'tmp/dropper'],
  ['run a shell under another name', 'shells', 'bin/shell'],
  ['call home', 'home'],
  ['call home by IPv6', 'home'],
  ['tunnel through DNS', 'tunnels'],
  ['open a back door', 'back doors'],
  ['become root again', 'root'],
  ['read the memory of another process', 'memory'],
  ['load a program of BPF', 'bpf'],
];

/** Emulated processors verify twenty programs in half a minute. */
const patienceMs = 300_000;

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'node-ebpf-security-')));
  for (const name of ['etc/cron.d/-', 'tmp/-', ...files, ...logs]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    if (!name.endsWith('-')) writeFileSync(join(folder, name), 'something\n');
  }
  for (const name of ['tmp/dropper', 'bin/shell']) {
    copyFileSync('/bin/true', join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function rulesFile(deny: boolean): string {
  const at = (...names: string[]): string => `[${names.map((name) => join(folder, name)).join(', ')}]`;
  const rules: readonly (readonly [name: string, on: string, about: string])[] = [
    ['accounts', 'write', `paths: ${at('etc/passwd', 'etc/ld.so.preload')}`],
    ['jobs', '[write, link]', `paths: ${at('etc/cron.d')}`],
    ['keys', 'write', `paths: ${at('root/.ssh/')}`],
    ['logs', '[write, remove, rename]', `paths: ${at('var/log')}`],
    ['modes', 'chmod', `paths: ${at('bin')}`],
    ['links', 'link', `paths: ${at('etc/shadow', 'tmp')}`],
    ['dropped programs', 'exec', `paths: ${at('tmp')}`],
    ['shells', 'exec', `paths: ${at('bin/shell')}`],
    ['home', 'connect', 'ports: [4444]'],
    ['tunnels', 'connect', 'ports: [5353]'],
    ['back doors', 'bind', 'ports: [31337]'],
    ['root', 'setuid', ''],
    ['memory', 'ptrace', ''],
    ['bpf', 'bpf', ''],
  ];
  const lines = rules.map(([name, on, about]) =>
    [`  - name: ${name}`, `on: ${on}`, ...(about === '' ? [] : [about]), `deny: ${deny}`].join('\n    '),
  );
  const file = join(folder, 'rules.yaml');
  writeFileSync(file, `rules:\n${lines.join('\n')}\n`);
  return file;
}

/** Runs the attack under the monitor: what was said of each step, and what the monitor reported of the attacker. */
async function attack(deny: boolean): Promise<{ said: [string, string][]; reports: Report[] }> {
  const monitor = runExample('security-monitor', rulesFile(deny));
  try {
    await monitor.shows(/^watching$/m);
    const attacker = new RunningCommand(process.execPath, [
      join(repository, 'test/fixtures/attack.mjs'),
      folder,
      sample('socket_filter'),
    ]);
    try {
      expect(await attacker.exit()).toBe(0);
    } finally {
      await attacker.end();
    }
    // The last of its steps: what is in the ring comes in order.
    await monitor.shows(/"rule":"bpf"/);
    monitor.signal('SIGINT');
    expect(await monitor.exit()).toBe(0);
    expect(monitor.stderr).not.toMatch(/were lost/);
    const reports = lines<Report>(monitor.stdout);
    return {
      said: lines<[string, string]>(attacker.stdout),
      reports: reports.filter(
        ({ pid, ancestry }) => pid === attacker.pid || ancestry.some((one) => one.endsWith(`(${attacker.pid})`)),
      ),
    };
  } finally {
    await monitor.end();
  }
}

function lines<T>(text: string): T[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

function requireReports(reports: readonly Report[], action: string): void {
  for (const [step, rule, path] of expected) {
    const about = reports.filter((report) => report.rule === rule);
    const found = path === undefined ? about : about.filter((report) => report.path === join(folder, path));
    if (found.length === 0) throw new Error(`nothing was reported of "${step}": ${JSON.stringify(about)}`);
    for (const report of found) expect([step, report.action]).toEqual([step, action]);
  }
  const home = reports.filter(({ rule }) => rule === 'home');
  expect(home.map(({ address, port }) => [address, port])).toEqual([
    ['127.0.0.1', 4444],
    ['::1', 4444],
  ]);
}

testIf(hasFentry, 'fentry')(
  'an attack of twenty steps is reported in full',
  async () => {
    const { said, reports } = await attack(false);
    expect(said.filter(([, result]) => result !== 'let')).toEqual([]);
    expect(said.map(([step]) => step)).toEqual(expected.map(([step]) => step));
    requireReports(reports, 'alert');
    const [dropped] = reports.filter(({ rule }) => rule === 'dropped programs');
    expect(dropped?.ancestry[0]).toMatch(/^(?:node|MainThread)\(\d+\)$/);
  },
  patienceMs,
);

testIf(hasLsm, 'BPF LSM')(
  'and stopped, when rules say so',
  async () => {
    const { said, reports } = await attack(true);
    const stopped = said.filter(([, result]) => result === 'EPERM' || result === 'EACCES').map(([step]) => step);
    expect(stopped).toEqual(expected.map(([step]) => step));
    requireReports(reports, 'denied');
  },
  patienceMs,
);

test('what this kernel cannot do is told, and the rest is watched; nothing is left behind', async () => {
  const rules = join(folder, 'rules.yaml');
  writeFileSync(
    rules,
    `rules:\n  - name: shells\n    on: exec\n    paths: [${folder}/bin/shell]\n    ancestor: jest\n  - name: all shells\n    on: exec\n    paths: [${folder}/tmp]\n`,
  );
  const monitor = runExample('security-monitor', rules);
  try {
    await monitor.shows(/^watching$/m);
    const { supported: mayDeny } = await features.bpfLsm();
    if (!mayDeny) expect(monitor.stderr).toMatch(/^not on this kernel: deny: rules tell and do not forbid: /m);
    if (!hasFentry)
      expect(monitor.stderr).toMatch(/^not on this kernel: bprm_check_security_(?:lsm|fentry): cannot load program /m);
    for (const name of ['bin/shell', 'tmp/dropper']) {
      const shell = new RunningCommand(join(folder, name), []);
      expect(await shell.exit()).toBe(0);
      await shell.end();
    }
    await monitor.shows(/"rule":"all shells"/);
    // The one before it has no ancestor of that name.
    expect(lines<Report>(monitor.stdout).filter(({ pid }) => pid !== process.pid)).toHaveLength(1);
    const [report] = lines<Report>(monitor.stdout);
    expect(report).toMatchObject({ kind: 'exec', action: 'alert', path: join(folder, 'tmp/dropper') });
    monitor.signal('SIGTERM');
    expect(await monitor.exit()).toBe(0);
    // The kernel takes programs away when their last run is over.
    await until(() => objectsNamed('forked') + objectsNamed('file_open_lsm') === 0);
  } finally {
    await monitor.end();
  }
});

test.each([
  ['rules:\n  - on: exec', 'rule 1: name must be a text'],
  ['rules:\n  - {name: a, on: breathe}', 'a: no kind of event is called "breathe"'],
  ['rules:\n  - {name: a, on: bind, paths: [/etc]}', 'a: bind is not about files'],
  ['rules:\n  - {name: a, on: exec, ancestor: sh, deny: true}', 'a: ancestors are known when it has happened'],
  ['rule: []', 'the file: there is no "rule", only rules, trusted'],
  ['rules: [', 'Flow sequence in block collection must be sufficiently indented'],
])('a file of %j is refused in a sentence', async (text, message) => {
  const file = join(folder, 'rules.yaml');
  writeFileSync(file, text);
  const monitor = runExample('security-monitor', file);
  try {
    expect(await monitor.exit()).toBe(1);
    expect(monitor.stderr).toContain(message);
    expect(monitor.stderr).not.toContain('    at ');
  } finally {
    await monitor.end();
  }
});

test('what is kept of processes is of those that run', () => {
  const processes = new Processes();
  const [first, children] = [10_000_000, 200_000];
  const used = (): number => {
    global.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const start = used();
  for (let child = first; child < first + children; child++) {
    // Each is the child of the one before, which ends: as shells do that start each other.
    processes.forked(child === first ? process.pid : child - 1, child);
    processes.executed(child, `program${child}`);
    if (child > first) processes.exited(child - 1);
  }
  expect(processes.ancestryOf(first + children - 1)).toEqual(
    Array.from({ length: 8 }, (_, index) => `program${first + children - 2 - index}(${first + children - 2 - index})`),
  );
  expect(used() - start).toBeLessThan(20e6);
});
