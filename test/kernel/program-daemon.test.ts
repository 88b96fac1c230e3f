// The application in examples/program-daemon.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { ObjectSpec, PerCpuArrayMap, Tc, XdpDispatcher } from '../../lib/index.js';
import { heldIds, repository, RunningCommand, runExample } from '../helpers/command.js';
import { emulated } from '../helpers/emulation.js';
import { hasFreplace } from '../helpers/kernel-hooks.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');
const object = join(repository, 'examples/program-daemon/program_daemon.bpf.o');
const made = join(repository, 'build/examples/program-daemon/main.mjs');
/** Users without a name, rights or files. */
const [alice, bob] = [51_001, 51_002];

interface Held {
  readonly name: string;
  readonly object: string;
  readonly programs: readonly { readonly name: string; readonly id: number; readonly runCount: string }[];
  readonly maps: readonly { readonly name: string }[];
  readonly attach: readonly { program: string; hook: string; priority: number }[];
  readonly links: readonly { readonly attached: boolean }[];
  readonly bytes: number;
}

interface Answer {
  readonly ok: boolean;
  readonly error?: Readonly<Record<string, unknown>>;
  readonly held?: readonly Held[];
  readonly trace?: readonly Readonly<Record<string, unknown>>[];
}

let network: TestNetwork;
let folder: string;
let daemon: RunningCommand;

/** Starts the daemon, `grants` of which are as given but for what is the same in all tests. */
async function serve(grants: Readonly<Record<string, object>> = {}): Promise<void> {
  const hooks = ['tc/ingress', 'tc/egress', 'xdp'];
  const common = { netns: network.path, types: ['SCHED_CLS', 'XDP'], hooks, interfaces: ['right', 'gone'] };
  const quotas = { programs: 15, maps: 15, bytes: 1_000_000 };
  const defaults = { ...common, ...quotas };
  const file = {
    alice: { ...defaults, uid: alice, ...grants['alice'] },
    bob: { ...defaults, uid: bob, ...grants['bob'] },
  };
  writeFileSync(join(folder, 'grants.json'), JSON.stringify(file));
  daemon = begin();
  await daemon.shows(/^serving alice, bob in /m);
}

/** The daemon as it starts, with the grants that were served last. */
function begin(): RunningCommand {
  const places = ['--run', join(folder, 'run'), '--state', join(folder, 'state'), '--bpffs', network.pins];
  return new RunningCommand(process.execPath, [made, 'serve', join(folder, 'grants.json'), ...places]);
}

const socketOf = (grant: string): string => join(folder, 'run', `${grant}.sock`);

/** A connection as the client has it, for what no client sends. */
async function open(grant = 'alice'): Promise<Socket> {
  const socket = connect(socketOf(grant));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** What the daemon answers to a line; undefined when it ends without an answer. */
async function send(line: string, grant = 'alice'): Promise<Answer | undefined> {
  const socket = await open(grant);
  socket.write(`${line}\n`);
  try {
    for await (const answer of createInterface({ input: socket })) return JSON.parse(answer) as Answer;
    return undefined;
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function ask(request: object, grant = 'alice'): Promise<Answer> {
  const answer = await send(JSON.stringify(request), grant);
  if (answer === undefined) throw new Error(`no answer\n${daemon.stderr}`);
  return answer;
}

interface Wanted {
  readonly program: string;
  readonly hook?: string;
  readonly interface?: string;
  readonly priority?: number;
}

function load(name: string, attach: readonly Wanted[], more: object = {}): object {
  return { do: 'load', name, object: readFileSync(object).toString('base64'), attach, ...more };
}

const ingress = (priority?: number): Wanted => ({
  program: 'daemon_ingress',
  hook: 'tc/ingress',
  interface: 'right',
  ...(priority === undefined ? {} : { priority }),
});
const egress: Wanted = { program: 'daemon_egress', hook: 'tc/egress', interface: 'right' };
const xdp = (priority: number): Wanted => ({ program: 'daemon_xdp', hook: 'xdp', interface: 'right', priority });

const held = async (grant?: string): Promise<readonly Held[]> => (await ask({ do: 'list' }, grant)).held ?? [];
const pins = (...names: string[]): string => join(network.pins, 'program-daemon', ...names);
const placeOf = (direction: 'ingress' | 'egress') => ({ interface: 'right', netns: network.path, direction }) as const;

/** Ids of the programs at a side of `right`, in their order. */
async function idsAt(direction: 'ingress' | 'egress'): Promise<(number | undefined)[]> {
  const { programs, filters } = await Tc.query(placeOf(direction));
  return [...programs, ...filters].map(({ programId }) => programId);
}

async function dispatched(): Promise<number[]> {
  const dispatcher = new XdpDispatcher({ interface: 'right', netns: network.path, bpffs: network.pins });
  return ((await dispatcher.query())?.programs ?? []).map(({ programId }) => programId);
}

/** That the kernel, the pins and the daemon's files have what the daemon says it holds for alice, all of it, and nothing else. */
async function expectExactly(names: readonly string[]): Promise<readonly Held[]> {
  const all = await held();
  expect(all.map(({ name }) => name).sort()).toEqual([...names].sort());
  expect(readdirSync(pins('held')).sort()).toEqual(names.map((name) => `alice@${name}`).sort());
  expect(readdirSync(pins('staging'))).toEqual([]);
  for (const { name, programs, maps, attach, links } of all) {
    expect(links.map(({ attached }) => attached)).toEqual(attach.map(() => true));
    const found = ['maps', 'programs', 'links'].map((kind) => readdirSync(pins('held', `alice@${name}`, kind)).length);
    expect(found).toEqual([maps.length, programs.length, attach.length]);
  }
  const at = (hook: string): number[] => {
    const here = all.flatMap(({ attach, programs }) =>
      attach
        .filter((each) => each.hook === hook)
        .map((each) => ({
          priority: each.priority,
          id: programs.find(({ name }) => name === each.program)?.id ?? 0,
        })),
    );
    return here.sort((a, b) => a.priority - b.priority).map(({ id }) => id);
  };
  expect(await idsAt('ingress')).toEqual(at('tc/ingress'));
  expect((await idsAt('egress')).sort()).toEqual(at('tc/egress').sort());
  if (hasFreplace) {
    expect(await dispatched()).toEqual(at('xdp'));
    const dispatchers = join(network.pins, 'xdp');
    expect(existsSync(dispatchers) ? readdirSync(dispatchers) : []).toHaveLength(at('xdp').length > 0 ? 1 : 0);
  }
  // The kernel lets go of what nobody holds a little later.
  await until(() => objectsNamed('daemon_packets') === names.length);
  for (const program of ['daemon_ingress', 'daemon_egress', 'daemon_xdp']) {
    const wanted = all.flatMap(({ programs }) => programs).filter(({ name }) => name === program).length;
    await until(() => objectsNamed(program) === wanted);
  }
  return all;
}

/** That a packet is counted by each of those that are held. */
async function expectAtWork(names: readonly string[]): Promise<void> {
  const counts = names.map((name) => {
    using map = PerCpuArrayMap.open(pins('held', `alice@${name}`, 'maps', 'daemon_packets'));
    return (map.get(0) as bigint[]).reduce((sum, count) => sum + count, 0n);
  });
  await network.send(1);
  for (const [index, name] of names.entries()) {
    using map = PerCpuArrayMap.open(pins('held', `alice@${name}`, 'maps', 'daemon_packets'));
    await until(() => (map.get(0) as bigint[]).reduce((sum, count) => sum + count, 0n) > (counts[index] ?? 0n));
  }
}

async function unloadAll(): Promise<void> {
  for (const { name } of await held()) expect(await ask({ do: 'unload', name })).toMatchObject({ ok: true });
}

beforeAll(async () => {
  if (!hasTestNetworks) return;
  network = await TestNetwork.create();
  // Also makes what is started from here on.
  const command = runExample('program-daemon');
  expect(await command.exit()).toBe(2);
  expect(command.stderr).toContain('program-daemon serve GRANTS.json');
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-program-daemon-'));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  if (hasTestNetworks) await daemon.end();
  rmSync(folder, { recursive: true });
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

inNetwork('a socket is for the user of its grant alone', async () => {
  await serve();
  expect(statSync(socketOf('alice'))).toMatchObject({ uid: alice, mode: 0o140_600 });
  const script = `const socket = require('node:net').connect(${JSON.stringify(socketOf('alice'))});
    socket.on('connect', () => socket.write('{"do":"list"}\\n')).on('data', (text) => { console.log(JSON.parse(text).ok); socket.destroy(); })
      .on('error', ({ code }) => console.log(code));`;
  for (const [uid, words] of [
    [alice, 'true'],
    [bob, 'EACCES'],
  ] as const) {
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
      uid,
      gid: uid,
      cwd: '/',
      encoding: 'utf8',
    });
    expect([stdout.trim(), stderr]).toEqual([words, '']);
  }
  const client = (...operands: string[]): [number | null, string] => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [made, ...operands], { encoding: 'utf8' });
    return [status, stdout + stderr];
  };
  const [status, answer] = client('ask', socketOf('alice'), JSON.stringify(load('x', [ingress()])), object);
  expect([status, JSON.parse(answer)]).toMatchObject([0, { ok: true, name: 'x', links: [{ attached: true }] }]);
  expect(client('ask', socketOf('alice'), '{"do":"unload","name":"y"}')).toEqual([
    1,
    expect.stringContaining('there is no y'),
  ]);
  expect(client('ask', socketOf('alice'), '{')).toEqual([1, expect.stringContaining('JSON')]);
  expect(client('ask', socketOf('carol'), '{}')).toEqual([1, expect.stringContaining('ENOENT')]);
  await unloadAll();
  chmodSync(join(folder, 'run'), 0o777);
  const second = begin();
  expect(await second.exit()).toBe(1);
  expect(second.stderr).toContain('others can write to');
  chmodSync(join(folder, 'run'), 0o755);
  const third = begin();
  expect(await third.exit()).toBe(1);
  expect(third.stderr).toContain('another daemon serves');
});

inNetwork('what a grant lacks is refused by its name, and nothing stays', async () => {
  await serve({
    alice: { types: ['SCHED_CLS'], programs: 1, maps: 3, bytes: 50_000 },
    bob: { types: ['RAW_TRACEPOINT'], hooks: ['raw_tp/sys_*'] },
  });
  const spec = ObjectSpec.parse(readFileSync(object));
  spec.map('daemon_packets').pinning = 'by-name';
  const pinned = Buffer.from(spec.toElf()).toString('base64');
  spec.map('daemon_packets').pinning = 'none';
  spec.map('daemon_packets').maxEntries = 10_000;
  const large = Buffer.from(spec.toElf()).toString('base64');
  const uprobe = readFileSync(sample('uprobe')).toString('base64');
  const refused: [object, object][] = [
    [load('x', [xdp(1)]), { code: 'ERR_GRANT_TYPE', type: 'XDP' }],
    [load('x', [{ ...ingress(), interface: 'left' }]), { code: 'ERR_GRANT_INTERFACE', interface: 'left' }],
    [load('x', [{ ...ingress(), hook: 'tc/sideways' }]), { code: 'ERR_GRANT_HOOK', hook: 'tc/sideways' }],
    [load('x', [{ program: 'daemon_ingress' }]), { code: 'ERR_GRANT_HOOK', hook: 'tc/ingress' }],
    [load('x', [ingress(), egress]), { code: 'ERR_GRANT_QUOTA', quota: 'programs', limit: 1, used: 0, wanted: 2 }],
    [load('x', [ingress()], { object: large }), { code: 'ERR_GRANT_QUOTA', quota: 'bytes', limit: 50_000 }],
    [load('x', [ingress()], { object: pinned }), { code: 'ERR_OBJECT' }],
    [load('x', [ingress()], { object: 'bm90IEVMRg==' }), { code: 'ERR_EBPF_OBJECT_FORMAT' }],
    [load('x', [{ ...ingress(), program: 'daemon_ingres' }]), { code: 'ERR_EBPF_NOT_FOUND' }],
    [load('x', [ingress()], { variables: { wieght: 2 } }), { code: 'ERR_EBPF_NOT_FOUND' }],
    [load('x', [{ ...ingress(), interface: 'gone' }]), { code: 'ERR_EBPF_NOT_FOUND' }],
    [load('x', [{ ...ingress(), priority: 0 }]), { code: 'ERR_REQUEST', path: 'attach[0].priority' }],
    [load('x', []), { code: 'ERR_REQUEST', path: 'attach' }],
    [load('../x', [ingress()]), { code: 'ERR_REQUEST', path: 'name' }],
    [load('x', [ingress()], { path: '/etc/passwd' }), { code: 'ERR_REQUEST', path: 'request' }],
    [
      { do: 'unload', name: 'x' },
      { code: 'ERR_NAME_UNKNOWN', name: 'x' },
    ],
    [{ do: 'dance' }, { code: 'ERR_REQUEST', path: 'do' }],
  ];
  for (const [request, error] of refused) {
    expect(await ask(request)).toMatchObject({ ok: false, error });
  }
  expect(await send('no JSON')).toMatchObject({ ok: false, error: { code: 'ERR_REQUEST' } });
  expect(await send('['.repeat(100_000))).toMatchObject({ ok: false, error: { code: 'ERR_REQUEST' } });
  // Sections that name files are no hooks, whatever a grant says.
  const place = { do: 'load', name: 'x', object: uprobe, attach: [{ program: 'enter' }] };
  expect(await ask(place, 'bob')).toMatchObject({ ok: false, error: { code: 'ERR_GRANT_TYPE', type: 'KPROBE' } });
  await expectExactly([]);
  expect(heldIds(daemon.pid).size).toBe(0);
});

inNetwork('programs run in the order of their priorities, and go one by one', async () => {
  await serve();
  for (const [name, priority] of [
    ['b', 20],
    ['a', 10],
    ['d', 40],
    ['c', 30],
  ] as const) {
    const attach = [ingress(priority), ...(hasFreplace ? [xdp(priority)] : [])];
    expect(await ask(load(name, attach, { variables: { weight: 3 } }))).toMatchObject({ ok: true, name });
  }
  await expectExactly(['a', 'b', 'c', 'd']);
  await expectAtWork(['a', 'b', 'c', 'd']);
  const [counts] = (await held()).map(({ programs }) => Number(programs[0]?.runCount));
  expect(counts).toBeGreaterThan(0);
  expect(await ask({ do: 'unload', name: 'b' })).toMatchObject({ ok: true });
  await expectExactly(['a', 'c', 'd']);
  // The same again is done already; another under its name is not.
  const again = load('c', [ingress(30), ...(hasFreplace ? [xdp(30)] : [])], { variables: { weight: 3 } });
  expect(await ask(again)).toMatchObject({ ok: true, name: 'c' });
  expect(await ask(load('c', [egress]))).toMatchObject({ ok: false, error: { code: 'ERR_NAME_TAKEN', name: 'c' } });
  expect((await ask({ do: 'trace' })).trace?.slice(-3)).toMatchObject([
    { uid: alice, do: 'unload', name: 'b', ok: true },
    { do: 'load', name: 'c', ok: true, object: expect.stringMatching(/^[0-9a-f]{64}$/u) as string },
    { do: 'load', name: 'c', ok: false, error: 'ERR_NAME_TAKEN', object: expect.any(String) as string },
  ]);
  // To others it is not there.
  expect(await held('bob')).toEqual([]);
  expect((await ask({ do: 'trace' }, 'bob')).trace).toEqual([]);
  expect(await ask({ do: 'unload', name: 'a' }, 'bob')).toMatchObject({ error: { code: 'ERR_NAME_UNKNOWN' } });
  // Ends, and begins with all that it had; without a grant there is nothing to hold for.
  daemon.signal('SIGINT');
  expect(await daemon.exit()).toBe(0);
  expect(existsSync(socketOf('alice'))).toBe(false);
  await expectAtWork(['a', 'c', 'd']);
  await serve();
  await expectExactly(['a', 'c', 'd']);
  await unloadAll();
  await expectExactly([]);
});

inNetwork('a program is attached where its section says, if the grant has that, and outlives the daemon', async () => {
  await serve({ bob: { types: ['RAW_TRACEPOINT'], hooks: ['raw_tp/sys_*', 'raw_tracepoint/x*'] } });
  const raw = readFileSync(sample('raw_tracepoint')).toString('base64');
  const wanted = (program: string): object =>
    load('calls', [{ program }], { object: raw, variables: { target_pid: process.pid } });
  expect(await ask(wanted('on_exec'), 'bob')).toMatchObject({
    error: { code: 'ERR_GRANT_HOOK', hook: 'raw_tracepoint/sched_process_exec' },
  });
  expect(await ask(wanted('on_system_call'), 'bob')).toMatchObject({
    ok: true,
    attach: [{ hook: 'raw_tp/sys_enter' }],
    links: [{ target: 'raw_tp sys_enter', attached: true }],
  });
  daemon.signal('SIGKILL');
  await daemon.exit();
  await serve({ bob: { types: ['RAW_TRACEPOINT'] } });
  const [calls] = await held('bob');
  expect(calls).toMatchObject({ name: 'calls', links: [{ attached: true }] });
  // System calls, which asking makes.
  const [later] = await held('bob');
  expect(Number(later?.programs[0]?.runCount)).toBeGreaterThan(Number(calls?.programs[0]?.runCount));
  expect(await ask({ do: 'unload', name: 'calls' }, 'bob')).toMatchObject({ ok: true });
  await expectExactly([]);
});

inNetwork('what fails half-way, or is wanted by nobody any more, is undone', async () => {
  await serve();
  const attach = [ingress(5), ...(hasFreplace ? [xdp(5)] : []), { ...egress, interface: 'gone' }];
  expect(await ask(load('half', attach))).toMatchObject({ ok: false, error: { code: 'ERR_EBPF_NOT_FOUND' } });
  await expectExactly([]);
  for (const ms of emulated ? [0, 100] : [0, 2, 5, 10, 20]) {
    const socket = await open();
    socket.write(`${JSON.stringify(load('gone', [ingress()]))}\n`);
    await sleep(ms);
    socket.destroy();
    // Taken after the load in its turn.
    const names = (await held()).map(({ name }) => name);
    await expectExactly(names);
    await unloadAll();
  }
  // None of these ends it, or keeps others waiting.
  const rude = await Promise.all([open('bob'), open('bob'), open('bob'), open('bob')]);
  for (const socket of rude) socket.write(`${'{}\n'.repeat(20_000)}{"do":"load","name":"`);
  const flood = await open();
  const answer = once(flood, 'data');
  for (let size = 0; size < 17 && !flood.destroyed; size++) flood.write('x'.repeat(1024 * 1024));
  expect(String((await answer)[0])).toContain('ERR_TOO_LARGE');
  expect(await ask(load('kept', [ingress()]))).toMatchObject({ ok: true });
  for (const socket of [...rude, flood]) socket.destroy();
  await unloadAll();
  await expectExactly([]);
});

inNetwork(
  'killed at any moment of a load, it has lost nothing and left nothing over when it starts again',
  async () => {
    const rounds = emulated ? 6 : 50;
    const attach = (round: number): Wanted[] => [
      ingress(1 + ((round * 7) % 50)),
      egress,
      ...(hasFreplace ? [xdp(1 + ((round * 11) % 50))] : []),
    ];
    await serve();
    const start = performance.now();
    expect(await ask(load('measured', attach(0)))).toMatchObject({ ok: true });
    const usual = performance.now() - start;
    let names = ['measured'];
    let startMs = 100;
    const seen = { acknowledged: 0, whole: 0, undone: 0 };
    for (let round = 0; round < rounds; round++) {
      const name = `load-${round}`;
      const answer = send(JSON.stringify(load(name, attach(round + 1))));
      // All moments have their turn: of each part of a load a random one, and right after the answer.
      const moment = ((round + Math.random()) / rounds) * 1.2 * usual;
      await (round % 10 === 9 ? answer : Promise.race([sleep(moment), answer]));
      daemon.signal('SIGKILL');
      expect(await daemon.exit()).toBe('SIGKILL');
      const acknowledged = (await answer)?.ok === true;
      if (round % 7 === 3) {
        // Nor does it matter when it is killed as it tidies up.
        daemon = begin();
        await sleep(Math.random() * startMs);
        daemon.signal('SIGKILL');
        await daemon.exit();
      }
      const restart = performance.now();
      await serve();
      startMs = performance.now() - restart;
      const isThere = (await held()).some((each) => each.name === name);
      if (acknowledged) expect(isThere).toBe(true);
      seen[acknowledged ? 'acknowledged' : isThere ? 'whole' : 'undone']++;
      if (isThere) names.push(name);
      await expectExactly(names);
      await expectAtWork(names);
      // Who got no answer asks again, and has it by then.
      if (isThere && !acknowledged) expect(await ask(load(name, attach(round + 1)))).toMatchObject({ ok: true, name });
      if (names.length > 2) {
        const [oldest = '', ...others] = names;
        // Removals are cut off as well.
        const removal = send(JSON.stringify({ do: 'unload', name: oldest }));
        if (round % 5 === 4) {
          await sleep(Math.random() * 0.3 * usual);
          daemon.signal('SIGKILL');
          await daemon.exit();
          const removed = (await removal)?.ok === true;
          await serve();
          const stays = (await held()).some((each) => each.name === oldest);
          if (removed) expect(stays).toBe(false);
          names = stays ? names : others;
          await expectExactly(names);
        } else {
          expect(await removal).toMatchObject({ ok: true });
          names = others;
        }
      }
    }
    await unloadAll();
    await expectExactly([]);
    if (!emulated) {
      expect(seen.acknowledged).toBeGreaterThanOrEqual(rounds / 10);
      expect(seen.undone).toBeGreaterThan(0);
    }
  },
  emulated ? 600_000 : 300_000,
);
