import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';

import {
  CpuMap,
  DevMap,
  DevMapHash,
  Ebpf,
  listInterfaces,
  MapFlag,
  ObjectSpec,
  ReuseportSockArray,
  Xdp,
  XskMap,
  type DeviceValue,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { datagramSocket, xdpSocket } from '../helpers/sockets.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');
const hasFragments = hasTestNetworks && kernelHasSymbol('bpf_xdp_load_bytes');
const withFragments = testIf(hasFragments, 'kernel 5.18');

let network: TestNetwork;
let ebpf: Ebpf;
/** The indexes of the interfaces of the network. */
let left = 0;
let right = 0;

beforeAll(async () => {
  if (!hasTestNetworks) return;
  network = await TestNetwork.create();
  const indexes = new Map((await listInterfaces({ netns: network.path })).map(({ name, index }) => [name, index]));
  left = indexes.get('left') ?? 0;
  right = indexes.get('right') ?? 0;
});
beforeEach(async () => {
  ebpf = await Ebpf.load(sample('xdp'));
});
afterEach(async () => {
  await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const xdp = (name: string): Xdp => ebpf.program(name, Xdp);
const variable = (name: string): bigint => ebpf.variables[name] as bigint;
const idOf = (name: string): number => ebpf.program(name).info().id;

async function attach(name: string, to: 'left' | 'right'): Promise<void> {
  await xdp(name).attach({ interface: to, netns: network.path, mode: 'native' });
}

function usageError(message: string | RegExp): Error {
  const text = typeof message === 'string' ? message : (expect.stringMatching(message) as string);
  return expect.objectContaining({ name: 'UsageError', code: 'ERR_EBPF_INVALID_VALUE', message: text }) as Error;
}

const refusal = (section: string): string =>
  `the program is not of section ${section}, or only one of it and of those that redirect to the map is of xdp.frags`;

describe('listInterfaces', () => {
  inNetwork('gives those of a network namespace', async () => {
    const names = (await listInterfaces({ netns: network.path })).map(({ name }) => name);
    expect(names.sort()).toEqual(['left', 'lo', 'right']);
    expect((await listInterfaces()).map(({ name }) => name)).not.toContain('left');
    await expect(listInterfaces({ netns: '/proc/self/status' })).rejects.toMatchObject({ errnoName: 'EINVAL' });
  });
});

describe('DevMap', () => {
  inNetwork('holds interfaces of another network namespace, with and without programs', () => {
    const { path: netns } = network;
    const devices = ebpf.map('devices', DevMap);
    expect(devices.length).toBe(4);
    expect(devices.get(1)).toBeUndefined();
    devices.set(1, { ifindex: right, program: xdp('at_device') }, { netns });
    devices.set(3, { ifindex: left }, { netns });
    expect(devices.get(1)).toEqual({ ifindex: right, programId: idOf('at_device') });
    expect([...devices]).toEqual([
      [1, { ifindex: right, programId: idOf('at_device') }],
      [3, { ifindex: left }],
    ]);
    devices.set(1, { ifindex: right }, { netns });
    expect(devices.get(1)).toEqual({ ifindex: right });
    devices.delete(1);
    devices.delete(1);
    expect(devices.has(1)).toBe(false);
    expect(devices.has(3)).toBe(true);
  });

  test('takes the place of the one of another object, though the kernel added a flag', async () => {
    const devices = ebpf.map('devices', DevMap);
    const hash = ebpf.map('hashed_devices', DevMapHash);
    expect(devices.flags).toBe(MapFlag.RDONLY_PROG);
    const other = await Ebpf.load(sample('xdp'), { maps: { devices, hashed_devices: hash } });
    expect(other.map('devices')).toBe(devices);
    await other.close();
    expect(devices.closed).toBe(false);
  });

  inNetwork('sends packets out of an interface', async () => {
    ebpf.map('plain_devices', DevMap).set(1, { ifindex: right }, { netns: network.path });
    await attach('decide', 'left');
    await attach('to_plain_device', 'right');
    await network.send(3);
    await until(() => variable('packets') === 3n);
    expect(ebpf.variables['ingress_index']).toBe(left);
  });

  for (const [name, map] of [
    ['to_device', 'devices'],
    ['to_hashed_device', 'hashed_devices'],
  ] as const) {
    inNetwork(`runs a program on what is sent out: ${map}`, async () => {
      const value = { ifindex: right, program: xdp('at_device') };
      if (map === 'devices') ebpf.map(map, DevMap).set(1, value, { netns: network.path });
      else ebpf.map(map, DevMapHash).set(1000, value, { netns: network.path });
      await attach('decide', 'left');
      await attach(name, 'right');
      await network.send(3);
      await until(() => variable('at_devices') === 3n);
      // It drops them.
      expect(variable('packets')).toBe(0n);
    });
  }

  inNetwork('values of four bytes have no room for a program', () => {
    const { path: netns } = network;
    const devices = ebpf.map('plain_devices', DevMap);
    devices.set(0, { ifindex: left }, { netns });
    expect(devices.get(0)).toEqual({ ifindex: left });
    expect(() => {
      devices.set(0, { ifindex: left, program: xdp('at_device') }, { netns });
    }).toThrow(usageError(/^value\.program: values of map "plain_devices" have 4 bytes/u));
  });

  inNetwork('refuses what it cannot hold', () => {
    const { path: netns } = network;
    const devices = ebpf.map('devices', DevMap);
    const failures: [number, unknown, string][] = [
      [4, { ifindex: 1 }, 'index: 4 is past the end of map "devices", whose length is 4'],
      [0, { ifindex: 0 }, 'value.ifindex: must be a whole number from 1 to 2147483647, not 0'],
      [0, { ifindex: '1' }, 'value.ifindex: must be a whole number from 1 to 2147483647, not 1'],
      [0, {}, 'value.ifindex: must be a whole number from 1 to 2147483647, not undefined'],
      [0, null, 'value: must be an object, not null'],
      [0, { ifindex: 999 }, `value: no network interface in ${netns} has the index 999`],
      [0, { ifindex: left, program: {} }, 'value.program: must be a loaded program, not {}'],
      [
        0,
        { ifindex: left, program: xdp('decide') },
        `value: no network interface in ${netns} has the index ${left}, or ${refusal('xdp/devmap')}`,
      ],
    ];
    for (const [index, value, message] of failures) {
      expect(() => {
        devices.set(index, value as DeviceValue, { netns });
      }).toThrow(usageError(message));
    }
    expect([...devices]).toEqual([]);
  });

  test('is made without an object', async () => {
    using devices = await DevMap.create({ name: 'devices', maxEntries: 2 });
    expect(inspect(devices)).toBe("DevMap { 'devices', DEVMAP, 4 → 8 bytes, at most 2 entries }");
    using hash = await DevMapHash.create({ name: 'hash', maxEntries: 2 });
    expect([...hash]).toEqual([]);
    using processors = await CpuMap.create({ name: 'processors', maxEntries: 1 });
    expect(processors.get(0)).toBeUndefined();
    using users = await XskMap.create({ name: 'users', maxEntries: 1 });
    expect(users.length).toBe(1);
    using servers = await ReuseportSockArray.create({ name: 'servers', maxEntries: 1 });
    expect([...servers]).toEqual([]);
  });
});

describe('DevMapHash', () => {
  inNetwork('holds interfaces by number', () => {
    const { path: netns } = network;
    const devices = ebpf.map('hashed_devices', DevMapHash);
    expect(devices.set(0xffff_ffff, { ifindex: left }, { netns })).toBe(true);
    expect(devices.set(7, { ifindex: right, program: xdp('at_device') }, { netns })).toBe(true);
    expect(devices.set(7, { ifindex: left }, { netns, ifAbsent: true })).toBe(false);
    expect(devices.get(7)).toEqual({ ifindex: right, programId: idOf('at_device') });
    expect(new Set(devices.keys())).toEqual(new Set([7, 0xffff_ffff]));
    expect(devices.count()).toBe(2);
    expect(devices.delete(7)).toBe(true);
    expect(devices.delete(7)).toBe(false);
    expect(() => devices.set(2 ** 32, { ifindex: left }, { netns })).toThrow(
      usageError('key: must be a whole number from 0 to 4294967295, not 4294967296'),
    );
    devices.clear();
    expect([...devices]).toEqual([]);
  });
});

describe('CpuMap', () => {
  inNetwork('gives packets to a processor, where a program runs', async () => {
    const processors = ebpf.map('processors', CpuMap);
    processors.set(0, { queueSize: 192, program: xdp('at_processor') });
    expect(processors.get(0)).toEqual({ queueSize: 192, programId: idOf('at_processor') });
    await attach('to_processor', 'right');
    const before = await network.received();
    await network.send(3);
    await until(() => variable('at_processors') === 3n);
    // It passes them on: three where they were sent, three from the processor.
    let after = 0;
    for (let tries = 0; tries < 50 && after < before + 6; tries++) after = await network.received();
    expect(after - before).toBe(6);
  });

  test('holds queues', () => {
    const processors = ebpf.map('processors', CpuMap);
    expect(processors.length).toBe(1);
    expect(processors.has(0)).toBe(false);
    processors.set(0, { queueSize: 64 });
    expect([...processors]).toEqual([[0, { queueSize: 64 }]]);
    processors.delete(0);
    expect(processors.get(0)).toBeUndefined();
    for (const queueSize of [0, -1, 16_385, 1.5, NaN]) {
      expect(() => {
        processors.set(0, { queueSize });
      }).toThrow(usageError(`value.queueSize: must be a whole number from 1 to 16384, not ${queueSize}`));
    }
    expect(() => {
      processors.set(0, { queueSize: 64, program: xdp('at_device') });
    }).toThrow(usageError(`value: ${refusal('xdp/cpumap')}`));
    const plain = ebpf.map('plain_processors', CpuMap);
    plain.set(0, { queueSize: 8 });
    expect(plain.get(0)).toEqual({ queueSize: 8 });
    expect(() => {
      plain.set(0, { queueSize: 8, program: xdp('at_processor') });
    }).toThrow(usageError(/^value\.program: values of map "plain_processors" have 4 bytes/u));
  });
});

describe('programs for packets in several buffers', () => {
  async function loadOnly(...names: readonly string[]): Promise<Ebpf> {
    const spec = ObjectSpec.parse(readFileSync(sample('xdp')), { name: 'xdp.bpf.o' });
    for (const program of spec.programs.values()) program.autoload = names.includes(program.name);
    return Ebpf.load(spec);
  }

  withFragments('run from a map of devices', async () => {
    const own = await loadOnly('fragments_to_device', 'fragments_at_device');
    try {
      const value = { ifindex: right, program: own.program('fragments_at_device', Xdp) };
      own.map('devices', DevMap).set(1, value, { netns: network.path });
      await attach('decide', 'left');
      await own.program('fragments_to_device', Xdp).attach({ interface: 'right', netns: network.path });
      await network.send(3);
      await until(() => own.variables['at_devices'] === 300n);
      const { message } = thrownBy(() => {
        own.map('devices', DevMap).set(2, { ifindex: right, program: xdp('at_device') }, { netns: network.path });
      });
      expect(message).toContain(refusal('xdp/devmap'));
    } finally {
      await own.close();
    }
  });

  withFragments('run from a map of processors', async () => {
    const own = await loadOnly('fragments_to_processor', 'fragments_at_processor');
    try {
      const program = own.program('fragments_at_processor', Xdp);
      own.map('processors', CpuMap).set(0, { queueSize: 192, program });
      await own.program('fragments_to_processor', Xdp).attach({ interface: 'right', netns: network.path });
      await network.send(3);
      await until(() => own.variables['at_processors'] === 300n);
    } finally {
      await own.close();
    }
  });
});

function thrownBy(call: () => void): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('XskMap', () => {
  /** What `to_user` makes of a packet. */
  async function verdict(): Promise<number> {
    const { returnValue } = await xdp('to_user').testRun({ data: new Uint8Array(64) });
    return returnValue;
  }
  const XDP_PASS = 2;
  const XDP_REDIRECT = 4;

  test('holds AF_XDP sockets, which programs find', async () => {
    const users = ebpf.map('user_sockets', XskMap);
    const { descriptor, handle } = xdpSocket();
    expect(await verdict()).toBe(XDP_PASS);
    expect(users.set(2, descriptor)).toBe(true);
    const other = xdpSocket();
    expect(users.set(2, other.descriptor, { ifAbsent: true })).toBe(false);
    other.handle.close();
    expect(users.set(3, descriptor, { ifPresent: true })).toBe(false);
    expect(await verdict()).toBe(XDP_REDIRECT);
    users.delete(2);
    users.delete(2);
    expect(await verdict()).toBe(XDP_PASS);
    users.set(2, { fd: descriptor });
    handle.close();
    // It leaves the map when it is closed.
    expect(await verdict()).toBe(XDP_PASS);
  });

  test('refuses other sockets', () => {
    const users = ebpf.map('user_sockets', XskMap);
    const { descriptor, handle } = datagramSocket();
    expect(() => users.set(0, descriptor)).toThrow(usageError('socket: map "user_sockets" takes AF_XDP sockets'));
    expect(() => users.set(0, 0)).toThrow(usageError('socket: its descriptor is not of an open socket'));
    expect(() => users.set(4, descriptor)).toThrow(usageError(/^index: 4 is past the end/u));
    handle.close();
  });
});
