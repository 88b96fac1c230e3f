import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  DispatchedXdpLink,
  Ebpf,
  Link,
  listInterfaces,
  ObjectSpec,
  Xdp,
  XdpDispatcher,
  type DispatchOptions,
  type XdpDispatcherOptions,
} from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { hasFreplace } from '../helpers/kernel-hooks.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasDispatchers = hasTestNetworks && hasFreplace;
const withDispatcher = testIf(hasDispatchers, 'freplace');
const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
});
beforeEach(async () => {
  ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: hasDispatchers });
});
afterEach(async () => {
  await ebpf.close();
  if (hasDispatchers) expect(readdirSync(`${network.pins}/xdp`)).toEqual([]);
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const dispatcher = (options: Partial<XdpDispatcherOptions> = {}): XdpDispatcher =>
  new XdpDispatcher({ interface: 'right', netns: network.path, bpffs: network.pins, ...options });
const xdp = (name: string): Xdp => ebpf.program(name, Xdp);
const idOf = (name: string): number => xdp(name).info().id;
const attach = async (name: string, options?: DispatchOptions) => dispatcher().attach(xdp(name), options);
const names = async (): Promise<string[] | undefined> => (await dispatcher().query())?.programs.map(({ name }) => name);

/** The digits of the programs that one packet passed. */
async function order(): Promise<string> {
  ebpf.variables['order'] = 0n;
  await network.send(1);
  await until(() => ebpf.variables['order'] !== 0n);
  return String(ebpf.variables['order']);
}

describe('XdpDispatcher', () => {
  withDispatcher('runs programs by priority, and goes on after the results that are given', async () => {
    expect(await dispatcher().query()).toBeUndefined();
    const first = await attach('first', { priority: 20 });
    expect(first).toBeInstanceOf(DispatchedXdpLink);
    expect(first.target).toBe(`xdp dispatcher of right in ${network.path}`);
    expect(first.survivesProcess).toBe(true);
    expect(xdp('first').links).toEqual([first]);
    expect(await order()).toBe('1');
    // By its run configuration: priority 10, on after XDP_PASS and XDP_DROP.
    await attach('second');
    const third = await attach('third', { priority: 30 });
    await attach('fourth', { priority: 40 });
    expect(await order()).toBe('2134');
    ebpf.variables['action'] = 3;
    expect(await order()).toBe('213');
    const state = await dispatcher().query();
    expect(state).toMatchObject({
      mode: 'native',
      version: 2,
      programs: [
        { programId: idOf('second'), name: 'second', priority: 10, continueOn: ['drop', 'pass'], fragments: false },
        { programId: idOf('first'), priority: 20, continueOn: ['pass'] },
        { programId: idOf('third'), priority: 30 },
        { programId: idOf('fourth'), priority: 40 },
      ],
    });
    expect(await Xdp.query({ interface: 'right', netns: network.path })).toEqual([
      { programId: state?.programId, mode: 'native' },
    ]);
    await third.close();
    expect(await order()).toBe('214');
    await first.close();
    await first.close();
    expect(await names()).toEqual(['second', 'fourth']);
  });

  withDispatcher('changes several programs at once, and by whomever they were attached', async () => {
    const [first, second] = await dispatcher().change({
      attach: [
        { program: xdp('first'), priority: 2 },
        { program: xdp('second'), priority: 1, continueOn: [] },
      ],
    });
    expect(await order()).toBe('2');
    await dispatcher().change({
      attach: [{ program: xdp('third') }],
      detach: [{ programId: idOf('second') }],
    });
    expect(await order()).toBe('13');
    await second?.close();
    await dispatcher().detach({ programId: idOf('first') });
    await first?.close();
    expect(await names()).toEqual(['third']);
    await expect(dispatcher().detach({ programId: idOf('first') })).rejects.toMatchObject({
      code: 'ERR_EBPF_NOT_FOUND',
    });
  });

  withDispatcher('replaces a program in its place', async () => {
    await attach('first', { priority: 1 });
    const link = await attach('third', { priority: 2 });
    await attach('fourth', { priority: 3 });
    const newer = await Ebpf.load(sample('xdp_dispatched'), { dispatched: ['third', 'second'] });
    await expect(link.update(newer.program('second', Xdp), { expected: xdp('first') })).rejects.toMatchObject({
      code: 'ERR_EBPF_BUSY',
    });
    await link.update(newer.program('second', Xdp), { expected: xdp('third') });
    expect(newer.links).toEqual([link]);
    expect(await names()).toEqual(['first', 'second', 'fourth']);
    await newer.close();
    expect(link.closed).toBe(true);
    expect(await order()).toBe('14');
  });

  withDispatcher('takes packets in several buffers when all its programs do', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('xdp_dispatched')), { name: 'xdp_dispatched.bpf.o' });
    spec.program('with_fragments').autoload = true;
    const all = await Ebpf.load(spec, { dispatched: true });
    try {
      await dispatcher().attach(all.program('with_fragments', Xdp));
      expect((await dispatcher().query())?.programs).toMatchObject([{ name: 'with_fragments', fragments: true }]);
      await attach('first');
      expect(await names()).toEqual(['first', 'with_fragments']);
      expect(await order()).toBe('1');
    } finally {
      await all.close();
    }
    expect(await order()).toBe('1');
  });

  withDispatcher('is not begun by who could not change it again', async () => {
    const enter = ['nsenter', `--net=${network.path}`, `--mount=${network.path.replace(/net$/u, 'mnt')}`];
    const rights = '--bounding-set=-all,+net_admin,+bpf,+perfmon';
    // By its path: BusyBox would take its own, which cannot do this.
    const folders = (process.env['PATH'] ?? '').split(':');
    const setpriv = folders.map((folder) => join(folder, 'setpriv')).find((file) => existsSync(file)) ?? 'setpriv';
    const wrapper = [...enter, setpriv, rights, '--inh-caps=-all', '--ambient-caps=-all'];
    const child = join(__dirname, 'children/xdp-dispatcher-rights.ts');
    const { stdout, stderr } = await runChild(child, ['/mnt'], { wrapper, timeoutMs: 120_000 });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([
      expect.stringMatching(/^cannot change the xdp dispatcher of right: .*missing CAP_SYS_ADMIN/u),
      ['missing CAP_SYS_ADMIN'],
    ]);
    expect(await dispatcher().query()).toBeUndefined();
    const link = await attach('first');
    expect(await names()).toEqual(['first']);
    await link.close();
  });

  withDispatcher('stays when its process ends, and is taken over by another', async () => {
    const child = join(__dirname, 'children/xdp-dispatched.ts');
    const { stdout, stderr } = await runChild(child, [network.path, network.pins], { timeoutMs: 120_000 });
    expect(stderr).toBe('');
    const state = await dispatcher().query();
    expect(state?.programs).toMatchObject([{ programId: Number(stdout), name: 'first', priority: 7 }]);
    const [folder = ''] = readdirSync(`${network.pins}/xdp`);
    expect(folder).toMatch(new RegExp(`^dispatch-\\d+-${state?.programId ?? 0}$`, 'u'));
    const pins = `${network.pins}/xdp/${folder}`;
    expect(readdirSync(pins).sort()).toEqual(['prog0-link', 'prog0-prog']);
    expect(statSync(`${pins}/prog0-link`).mode & 0o777).toBe(0o600);
    const link = await attach('second');
    expect(await names()).toEqual(['first', 'second']);
    await dispatcher().detach({ programId: Number(stdout) });
    expect(await order()).toBe('2');
    await link.close();
  });

  withDispatcher('keeps a program on request when its object is closed', async () => {
    const other = await Ebpf.load(sample('xdp_dispatched'), { dispatched: ['first'] });
    const link = await dispatcher().attach(other.program('first', Xdp), { keep: true });
    const { id: programId } = other.program('first').info();
    await other.close();
    expect(link.closed).toBe(true);
    expect((await dispatcher().query())?.programs).toMatchObject([{ programId, name: 'first' }]);
    await dispatcher().detach({ programId });
    expect(await dispatcher().query()).toBeUndefined();
  });

  withDispatcher('removes what killed processes left in the middle of a change', async () => {
    await attach('first');
    const index = (await listInterfaces({ netns: network.path })).find(({ name }) => name === 'right')?.index ?? 0;
    const attached = (await dispatcher().query())?.programId ?? 0;
    const at = (name: string): string => join(network.pins, 'xdp', name);
    const namespace = statSync(network.path).ino;
    // Killed before the new one was attached, after it was, and in another namespace, of which nothing is known here.
    const interrupted = [
      [attached, 900_001],
      [900_002, attached],
    ];
    for (const [from = 0, to = 0] of interrupted) {
      mkdirSync(at(`change-${namespace}-${index}-${from}-${to}`));
      const left = at(`dispatch-${index}-${from === attached ? to : from}`);
      mkdirSync(left);
      xdp('second').pin(join(left, 'prog0-prog'));
    }
    const elsewhere = [`change-${namespace + 1}-${index}-0-900003`, `dispatch-${index}-900003`];
    for (const name of elsewhere) mkdirSync(at(name));
    expect(await names()).toEqual(['first']);
    expect(readdirSync(at('')).sort()).toEqual(
      [elsewhere[0], `dispatch-${index}-900003`, `dispatch-${index}-${attached}`].sort(),
    );
    expect(await order()).toBe('1');
    for (const name of elsewhere) rmdirSync(at(name));
  });

  withDispatcher('takes a program to be kept off again when the attach is aborted', async () => {
    const ending = new AbortController();
    const attaching = dispatcher().attach(xdp('first'), { keep: true, signal: ending.signal });
    const aborting = (async () => {
      while ((await Xdp.query({ interface: 'right', netns: network.path })).length === 0) await nextTurn();
      ending.abort();
    })();
    // Which of both is first is the kernel's affair: either it is attached, or nothing is.
    const [result] = await Promise.allSettled([attaching, aborting]);
    if (result.status === 'fulfilled') await dispatcher().detach({ programId: idOf('first') });
    expect(await dispatcher().query()).toBeUndefined();
  });

  withDispatcher('many changes at the same time come one after the other', async () => {
    const links = await Promise.all(['first', 'second', 'third', 'fourth'].map(async (name) => attach(name)));
    expect((await names())?.sort()).toEqual(['first', 'fourth', 'second', 'third']);
    await Promise.all(links.map(async (link) => link.close()));
    expect(await dispatcher().query()).toBeUndefined();
  });

  withDispatcher('keeps the version of the protocol that it began with', async () => {
    const first = await dispatcher({ version: 3 }).attach(xdp('first'));
    await attach('second');
    expect(await dispatcher().query()).toMatchObject({ version: 3, programs: [{ name: 'second' }, { name: 'first' }] });
    expect(await order()).toBe('21');
    await first.close();
    expect(await dispatcher().query()).toMatchObject({ version: 3, programs: [{ name: 'second' }] });
  });

  withDispatcher('is gone with its interface', async () => {
    const gone = await TestNetwork.create();
    const link = await dispatcher({ netns: gone.path }).attach(xdp('first'));
    await gone.close();
    await link.close();
  });

  withDispatcher('says what cannot be', async () => {
    const plain = await Ebpf.load(sample('xdp_dispatched'));
    await expect(dispatcher().attach(plain.program('first', Xdp))).rejects.toMatchObject({
      path: 'attach[0].program',
      message: expect.stringContaining('was not loaded for a dispatcher') as string,
    });
    const failures: [DispatchOptions, object][] = [
      [{ priority: -1 }, { path: 'priority' }],
      [{ continueOn: ['next' as 'pass'] }, { path: 'continueOn' }],
    ];
    for (const [options, error] of failures) await expect(attach('first', options)).rejects.toMatchObject(error);
    await expect(xdp('first').attach({ interface: 'right', netns: network.path })).rejects.toMatchObject({
      message: expect.stringContaining('it was loaded for a dispatcher') as string,
    });
    const alone = await plain.program('first', Xdp).attach({ interface: 'right', netns: network.path });
    const busy = { code: 'ERR_EBPF_BUSY' };
    await expect(attach('first')).rejects.toMatchObject(busy);
    await expect(dispatcher().query()).rejects.toMatchObject(busy);
    await alone.close();
    await attach('first');
    await expect(attach('first')).rejects.toMatchObject(busy);
    await expect(dispatcher({ mode: 'generic' }).attach(xdp('second'))).rejects.toMatchObject(busy);
    await expect(plain.program('first', Xdp).attach({ interface: 'right', netns: network.path })).rejects.toMatchObject(
      busy,
    );
    await plain.close();
    expect(ebpf.links.every((link) => link instanceof Link)).toBe(true);
  });

  inNetwork('wants a BPF file system, an interface and a mode', () => {
    expect(() => dispatcher({ bpffs: '/tmp' })).toThrow(expect.objectContaining({ path: 'bpffs' }) as Error);
    expect(() => dispatcher({ mode: 'offload' as 'native' })).toThrow(
      expect.objectContaining({ path: 'mode' }) as Error,
    );
    expect(() => dispatcher({ version: 1 as 2 })).toThrow(expect.objectContaining({ path: 'version' }) as Error);
    expect(() => dispatcher({ interface: undefined as unknown as string })).toThrow(
      expect.objectContaining({ path: 'interface' }) as Error,
    );
  });

  test.each([
    [['fifth'], 'ERR_EBPF_NOT_FOUND'],
    ['first' as unknown as string[], 'ERR_EBPF_INVALID_VALUE'],
  ])('programs to load for it must be there: %j', async (dispatched, code) => {
    await expect(Ebpf.load(sample('xdp_dispatched'), { dispatched })).rejects.toMatchObject({ code });
  });

  test('only programs of interfaces are loaded for it', async () => {
    await expect(Ebpf.load(sample('xdp'), { dispatched: ['at_device'] })).rejects.toMatchObject({ path: 'dispatched' });
  });
});
