// XDP programs that are loaded for one interface: to ask its driver about packets, or to be run by its card.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import type { XdpLink } from '../../lib/index.js';
import {
  ArrayMap,
  Ebpf,
  ObjectSpec,
  Xdp,
  listInterfaces,
  type ProgramDevice,
  type XdpAttachOptions,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasBound = hasTestNetworks && kernelHasSymbol('bpf_xdp_metadata_rx_hash');
const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');
const bound = testIf(hasBound, 'XDP programs bound to an interface');

let network: TestNetwork;
const loaded: Ebpf[] = [];

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
});
afterEach(async () => {
  for (const ebpf of loaded.splice(0)) await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

/** Loads one program of the sample, for an interface of the test's network. */
async function load(name: string, mode?: ProgramDevice['mode'], of = 'right'): Promise<Ebpf> {
  const spec = ObjectSpec.parse(readFileSync(sample('xdp_device')));
  for (const program of spec.programs.values()) program.autoload = program.name === name;
  const programs = mode === undefined ? {} : { [name]: { device: { interface: of, netns: network.path, mode } } };
  const ebpf = await Ebpf.load(spec, { programs });
  loaded.push(ebpf);
  return ebpf;
}

async function attach(ebpf: Ebpf, options: Partial<XdpAttachOptions> = {}): Promise<XdpLink> {
  const [program] = ebpf.programs;
  if (!(program instanceof Xdp)) throw new Error('no program was loaded');
  return program.attach({ interface: 'right', netns: network.path, ...options });
}

describe('an XDP program that is bound to an interface', () => {
  bound('asks the driver about packets', async () => {
    const ebpf = await load('told_by_driver', 'bound');
    await using link = await attach(ebpf);
    expect(await Xdp.query({ interface: 'right', netns: network.path })).toEqual([
      { programId: link.info().programId, mode: 'native' },
    ]);
    await network.send(1);
    await until(() => ebpf.variables['packets'] === 1n);
    // Of veth: the hash that the sender's stack made, and when the packet was sent.
    expect([ebpf.variables['hash_error'], ebpf.variables['timestamp_error']]).toEqual([0, 0]);
    expect(ebpf.variables['hash']).not.toBe(0);
  });

  bound('may take packets in several buffers', async () => {
    const ebpf = await load('with_fragments', 'bound');
    await using link = await attach(ebpf, { mode: 'native' });
    expect(link.target).toBe(`xdp right in ${network.path}`);
    await network.send(2);
    await until(() => ebpf.variables['packets'] === 2n);
  });

  bound('is attached to that one alone, and run by its driver', async () => {
    const ebpf = await load('with_fragments', 'bound');
    const where = `right in ${network.path}`;
    await expect(attach(ebpf, { interface: 'left' })).rejects.toMatchObject({
      path: 'interface',
      message: `interface: program "with_fragments" was loaded for ${where}, not for xdp left in ${network.path}`,
    });
    await expect(attach(ebpf, { mode: 'generic' })).rejects.toMatchObject({
      path: 'mode',
      message: `mode: program "with_fragments" was loaded for ${where}, whose driver runs it: 'native'`,
    });
    await expect(ebpf.program('with_fragments').testRun({ data: new Uint8Array(64) })).rejects.toMatchObject({
      code: 'ERR_EBPF_UNSUPPORTED',
      message: expect.stringContaining(`program "with_fragments" was loaded for ${where}`) as string,
    });
    expect(await Xdp.query({ interface: 'right', netns: network.path })).toEqual([]);
  });

  bound('is the only one that can ask', async () => {
    await expect(load('told_by_driver')).rejects.toMatchObject({
      name: 'VerifierError',
      message: expect.stringContaining('{ programs: { "told_by_driver": { device: { interface: ') as string,
    });
  });

  bound('needs a driver with XDP', async () => {
    await expect(load('with_fragments', 'bound', 'lo')).rejects.toMatchObject({
      name: 'UnsupportedError',
      message: `XDP programs that are bound to an interface: the driver of lo in ${network.path} has no XDP of its own`,
    });
  });

  testIf(hasTestNetworks && !hasBound, 'a kernel without XDP programs bound to an interface')(
    'needs a newer kernel',
    async () => {
      await expect(load('dropped_by_card', 'bound')).rejects.toMatchObject({ name: 'UnsupportedError', since: '6.3' });
    },
  );

  inNetwork('must be named rightly', async () => {
    await expect(load('with_fragments', 'bound', 'rigth')).rejects.toMatchObject({ suggestions: ['right'] });
    await expect(load('with_fragments', 'card' as 'bound')).rejects.toMatchObject({
      message: "programs.with_fragments.device.mode: must be 'bound' or 'offload', not 'card'",
    });
    const device = { interface: 'right', netns: network.path, mode: 'bound' } as const;
    await expect(Ebpf.load(sample('tc'), { programs: { drop_ours: { device } } })).rejects.toMatchObject({
      path: 'programs.drop_ours.device',
    });
    const programs = { decide: { device } };
    await expect(Ebpf.load(sample('xdp'), { programs, dispatched: ['decide'] })).rejects.toMatchObject({
      message: 'programs.decide.device: dispatchers run at any interface',
    });
  });
});

describe('Xdp.features', () => {
  const ask = async (name: string) => Xdp.features({ interface: name, netns: network.path });

  bound('tells what drivers can do', async () => {
    const right = await ask('right');
    expect(right.features).toEqual(expect.arrayContaining(['basic', 'redirect', 'rx-sg']));
    expect(right.features).not.toContain('hw-offload');
    expect(right.zeroCopySegments).toBe(0);
    // Linux 6.5 tells of metadata.
    expect(right.metadata).toEqual(expect.arrayContaining(kernelAtLeast(6, 5) ? ['timestamp', 'hash'] : []));
    expect(await ask('lo')).toEqual({ features: [], metadata: [], zeroCopySegments: 0 });
    await expect(ask('rigth')).rejects.toMatchObject({ suggestions: ['right'] });
  });

  testIf(hasTestNetworks && !hasBound, 'a kernel without XDP programs bound to an interface')(
    'needs a newer kernel',
    async () => {
      await expect(ask('right')).rejects.toMatchObject({ name: 'UnsupportedError', since: '6.3' });
    },
  );
});

describe('an XDP program for a network card', () => {
  inNetwork('is refused where the card runs none', async () => {
    await expect(load('dropped_by_card', 'offload')).rejects.toMatchObject({
      name: 'UnsupportedError',
      message: expect.stringMatching(
        /^XDP in the network card: the network card of right in \S+ runs no programs, or not "dropped_by_card"/u,
      ) as string,
    });
    await expect(load('dropped_by_card', 'offload', 'lo')).rejects.toMatchObject({ name: 'UnsupportedError' });
    await expect(load('run_by_card', 'offload')).rejects.toMatchObject({
      name: 'UnsupportedError',
      message: expect.stringMatching(
        /^maps in the network card: the network card of right in \S+ does not take map "in_card"/u,
      ) as string,
    });
  });

  inNetwork('is not what others are', async () => {
    const ebpf = await load('dropped_by_card');
    await expect(attach(ebpf, { mode: 'offload' })).rejects.toMatchObject({
      path: 'mode',
      message: expect.stringMatching(/^mode: a card runs programs that were loaded for it, and .* was not/u) as string,
    });
  });
});

/** The kernel's own stand-in for a network card: drivers/net/netdevsim. It takes programs and maps, and runs none. */
const hasCards = hasTestNetworks && existsSync('/sys/bus/netdevsim/new_device');

describe('a simulated network card', () => {
  const number = process.pid;
  const bus = (file: string, text: string): unknown =>
    spawnSync('nsenter', [`--net=${network.path}`, 'sh', '-c', `echo '${text}' > /sys/bus/netdevsim/${file}`]);
  const setting = (name: string): string => `/sys/kernel/debug/netdevsim/netdevsim${number}/${name}`;
  let card: string;
  let index: number;

  beforeEach(async () => {
    if (!hasCards) return;
    const before = (await listInterfaces({ netns: network.path })).map((each) => each.name);
    bus('new_device', `${number} 1`);
    const [found] = (await listInterfaces({ netns: network.path })).filter(({ name }) => !before.includes(name));
    ({ name: card, index } = found ?? { name: '', index: 0 });
  });
  afterEach(async () => {
    for (const ebpf of loaded.splice(0)) await ebpf.close();
    if (hasCards) bus('del_device', String(number));
  });

  const query = async (): Promise<unknown> => Xdp.query({ interface: card, netns: network.path });

  for (const by of ['link', 'netlink'] as const) {
    testIf(hasCards, 'netdevsim')(`has a program and its map, attached by ${by}`, async () => {
      expect((await Xdp.features({ interface: card, netns: network.path })).features).toContain('hw-offload');
      const ebpf = await load('run_by_card', 'offload', card);
      const program = ebpf.program('run_by_card', Xdp);
      expect(program.info().interfaceIndex).toBe(index);
      const map = ebpf.map('in_card', ArrayMap);
      map.set(1, 7n);
      expect([map.get(0), map.get(1)]).toEqual([0n, 7n]);
      const link = await attach(ebpf, { interface: card, by });
      expect(await query()).toEqual([{ programId: program.info().id, mode: 'offload' }]);
      const other = await load('dropped_by_card', 'offload', card);
      await expect(attach(other, { interface: card, by })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
      await link.update(other.program('dropped_by_card'));
      expect(await query()).toEqual([{ programId: other.programs[0]?.info().id, mode: 'offload' }]);
      await link.close();
      expect(await query()).toEqual([]);
    });
  }

  testIf(hasCards, 'netdevsim')('may refuse to load, and to attach', async () => {
    writeFileSync(setting('bpf_bind_accept'), 'N');
    await expect(load('dropped_by_card', 'offload', card)).rejects.toMatchObject({ name: 'UnsupportedError' });
    writeFileSync(setting('bpf_bind_accept'), 'Y');
    const ebpf = await load('dropped_by_card', 'offload', card);
    await expect(attach(ebpf, { interface: card, mode: 'native' })).rejects.toMatchObject({ path: 'mode' });
    await expect(attach(ebpf, { interface: 'right' })).rejects.toMatchObject({ name: 'UnsupportedError' });
    writeFileSync(setting('ports/0/bpf_xdpoffload_accept'), 'N');
    await expect(attach(ebpf, { interface: card })).rejects.toMatchObject({ name: 'UnsupportedError' });
    expect(await query()).toEqual([]);
  });
});
