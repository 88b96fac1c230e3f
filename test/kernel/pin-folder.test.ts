// Everything of an object in one folder of pins, and pins of what the kernel has no link for.
import { closeSync, mkdirSync, openSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  DispatchedXdpLink,
  Ebpf,
  Link,
  PinFolder,
  RawTracepoint,
  Tc,
  TcFilterLink,
  TcxLink,
  Xdp,
  XdpDispatcher,
} from '../../lib/index.js';
import { hasClsact } from '../helpers/clsact.js';
import { hasFreplace } from '../helpers/kernel-hooks.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { PinFolder as BpfFileSystem } from '../helpers/pin-folder.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasTcx = kernelHasSymbol('tcx_prog_attach');
const withTcx = testIf(hasTestNetworks && hasTcx, 'TCX');
const withClsact = testIf(hasTestNetworks && hasClsact, 'clsact');
const withDispatcher = testIf(hasTestNetworks && hasFreplace, 'freplace');

let network: TestNetwork | undefined;
let pins: string;
let files: BpfFileSystem;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
  files = await BpfFileSystem.create();
});
beforeEach(() => {
  pins = join(files.path, 'pins');
  mkdirSync(pins);
});
afterEach(() => {
  const left = readdirSync(pins);
  rmSync(pins, { recursive: true });
  expect(left).toEqual([]);
});
afterAll(async () => {
  await files.close();
  await network?.close();
});

const place = (direction: 'ingress' | 'egress' = 'ingress') =>
  ({ interface: 'right', netns: network?.path ?? '', direction }) as const;

describe('a folder of pins', () => {
  test('has all of an object, for a later process to open and to take away', async () => {
    const folder = join(pins, 'calls');
    const ebpf = await Ebpf.load(sample('raw_tracepoint'), { variables: { target_pid: process.pid } });
    await ebpf.program('on_system_call', RawTracepoint).attach();
    const programs = ebpf.programs.map(({ name }) => name).sort();
    const ids = ebpf.programs.map((program) => program.info().id).sort();
    ebpf.pin(folder, { note: '{"who":"me"}' });
    expect(readdirSync(pins)).toEqual(['calls']);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const [link] = ebpf.links;
    expect(link?.pins).toEqual([join(folder, 'links', 'on_system_call')]);
    expect(() => {
      ebpf.pin(folder);
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_BUSY' }) as Error);
    const bytes = ebpf.memoryUsage();
    expect(ebpf.memoryUsage({ full: true })).toBeGreaterThanOrEqual(bytes);
    await ebpf.close();
    expect(() => {
      ebpf.pin(folder);
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);

    await using opened = PinFolder.open(folder);
    expect([...opened.programs.keys()].sort()).toEqual(programs);
    expect([...opened.programs.values()].map((program) => program.info().id).sort()).toEqual(ids);
    // Dots are not to be had.
    expect([...opened.maps.keys()].sort()).toEqual(readdirSync(join(folder, 'maps')).sort());
    expect([...opened.maps.keys()]).toContain('_bss');
    expect(opened.memoryUsage()).toBe(bytes);
    expect(await opened.links.get('on_system_call')?.isAttached()).toBe(true);
    expect(opened.note).toBe('{"who":"me"}');
    expect(await opened.describe()).toMatchObject({
      programs: programs.map((name) => ({ name })),
      maps: [...opened.maps].map(([name, map]) => ({ name, id: map.info().id })),
      links: [{ name: 'on_system_call', program: 'on_system_call', target: 'raw_tp sys_enter', attached: true }],
      bytes,
    });
    await opened.remove();
    expect(() => PinFolder.open(folder)).toThrow(expect.objectContaining({ code: 'ERR_EBPF_NOT_FOUND' }) as Error);
    await until(() => objectsNamed('on_system_call') === 0);
  });

  test('is made in whole, or not at all', async () => {
    await using ebpf = await Ebpf.load(sample('tc'));
    expect(() => {
      ebpf.pin('/tmp/node-ebpf-no-pins');
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'path' }) as Error);
    for (const note of ['', 'a\0b', 'x'.repeat(4096)]) {
      expect(() => {
        ebpf.pin(join(pins, 'noted'), { note });
      }).toThrow(expect.objectContaining({ path: 'note' }) as Error);
    }
    await using twin = await Ebpf.load(sample('tc'));
    twin.pin(join(pins, 'twice~'));
    // What looks like the rest of an earlier attempt.
    ebpf.pin(join(pins, 'twice'));
    expect(readdirSync(pins)).toEqual(['twice']);
    {
      await using twice = PinFolder.open(join(pins, 'twice'));
      expect(twice.note).toBeUndefined();
    }
    rmSync(join(pins, 'twice'), { recursive: true });
  });

  withClsact('is not made when one of the links cannot be pinned', async () => {
    await using ebpf = await Ebpf.load(sample('tc'));
    const netns = openSync(network?.path ?? '', 'r');
    const attached = { ...place(), by: 'clsact' } as const;
    const first = await ebpf.program('first', Tc).attach(attached);
    await ebpf.program('second', Tc).attach({ ...attached, netns });
    closeSync(netns);
    expect(() => {
      ebpf.pin(join(pins, 'half'));
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED' }) as Error);
    expect([readdirSync(pins), first.pins]).toEqual([[], []]);
  });
});

describe('filters of clsact', () => {
  withClsact('are pinned, found again and taken off', async () => {
    const pin = join(pins, 'filter');
    const ebpf = await Ebpf.load(sample('tc'));
    const link = await ebpf.program('first', Tc).attach({ ...place(), by: 'clsact', pin });
    await expect(ebpf.program('second', Tc).attach({ ...place(), by: 'clsact', pin })).rejects.toMatchObject({
      errnoName: 'EEXIST',
    });
    expect(link.pins).toEqual([pin]);
    await ebpf.close();
    const newer = await Ebpf.load(sample('tc'));
    const opened = TcFilterLink.open(pin);
    const [filter] = (await Tc.query(place())).filters;
    expect(opened).toMatchObject({ program: 'first', priority: filter?.priority, filterHandle: filter?.handle });
    expect(await opened.isAttached()).toBe(true);
    await opened.update(newer.program('ninth', Tc));
    const { id } = newer.program('ninth').info();
    expect((await Tc.query(place())).filters.map(({ programId }) => programId)).toEqual([id]);
    // It is of the newer one now, and stays by its pin.
    await newer.close();
    expect(opened.closed).toBe(true);
    expect(() => TcxLink.open(pin)).toThrow(/it is a TcFilterLink, not a TcxLink/u);
    const again = Link.open(pin);
    expect(again).toMatchObject({ program: 'ninth', pins: [pin] });
    await again.detach();
    await again.detach();
    expect((await Tc.query(place())).filters).toEqual([]);
  });

  withClsact('that others took off are attached no more', async () => {
    const pin = join(pins, 'filter');
    await using ebpf = await Ebpf.load(sample('tc'));
    const link = await ebpf.program('first', Tc).attach({ ...place(), by: 'clsact' });
    link.pin(pin);
    expect(await link.isAttached()).toBe(true);
    for (const { priority, handle } of (await Tc.query(place())).filters)
      await Tc.removeFilter({ ...place(), priority, handle });
    const opened = Link.open(pin);
    expect([await link.isAttached(), await opened.isAttached()]).toEqual([false, false]);
    await opened.detach();
    expect(readdirSync(pins)).toEqual([]);
  });

  withClsact('are pinned nowhere when they are not attached', async () => {
    await using ebpf = await Ebpf.load(sample('tc'));
    const netns = openSync(network?.path ?? '', 'r');
    const pin = join(pins, 'filter');
    const attach = ebpf.program('first', Tc).attach({ ...place(), netns, by: 'clsact', pin });
    await expect(attach).rejects.toMatchObject({ path: 'netns' });
    closeSync(netns);
    await using _there = await ebpf.program('first', Tc).attach({ ...place(), priority: 3, handle: 1 });
    const taken = ebpf.program('second', Tc).attach({ ...place(), priority: 3, handle: 1, pin });
    await expect(taken).rejects.toMatchObject({ errnoName: 'EEXIST' });
    expect(readdirSync(pins)).toEqual([]);
  });

  withClsact(
    'are taken off by detach() also where closing leaves them, and go when their last pin is gone',
    async () => {
      await using ebpf = await Ebpf.load(sample('tc'));
      const kept = await ebpf.program('first', Tc).attach({ ...place(), by: 'clsact', keep: true });
      await kept.detach();
      expect((await Tc.query(place())).filters).toEqual([]);
      const pin = join(pins, 'filter');
      const link = await ebpf.program('first', Tc).attach({ ...place(), by: 'clsact', pin });
      link.unpin(pin);
      await link.close();
      expect((await Tc.query(place())).filters).toEqual([]);
    },
  );

  withClsact('are gone with their network namespace', async () => {
    const gone = await TestNetwork.create();
    await using ebpf = await Ebpf.load(sample('tc'));
    const pin = join(pins, 'filter');
    await ebpf.program('first', Tc).attach({ ...place(), netns: gone.path, by: 'clsact', pin });
    await gone.close();
    const opened = Link.open(pin);
    expect(await opened.isAttached()).toBe(false);
    await opened.detach();
  });
});

test('texts that are no pin of ours are refused', () => {
  const pin = join(pins, 'strange');
  for (const text of ['node-ebpf:{"kind":"tc-filter"}', 'node-ebpf:[', 'node-ebpf:{"kind":"other"}']) {
    symlinkSync(text, pin);
    expect(() => Link.open(pin)).toThrow(expect.objectContaining({ path: 'path' }) as Error);
    expect(readlinkSync(pin)).toBe(text);
    rmSync(pin);
  }
  symlinkSync('elsewhere', pin);
  expect(() => Link.open(pin)).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }) as Error);
  rmSync(pin);
});

withTcx('links of TCX run by the priorities that are known of them', async () => {
  await using ebpf = await Ebpf.load(sample('tc'));
  const pin = join(pins, 'sixth');
  const among = new Map<number, number>();
  const attach = async (name: string, priority: number): Promise<void> => {
    const link = await ebpf.program(name, Tc).attach({ ...place(), priority, among });
    if (!(link instanceof TcxLink)) throw new Error('a link of TCX');
    expect(among.get(link.info().id)).toBe(priority);
  };
  const order = async (): Promise<string> => {
    ebpf.variables['order'] = 0n;
    await network?.send(1);
    await until(() => ebpf.variables['order'] !== 0n);
    return String(ebpf.variables['order']);
  };
  // Of others.
  await ebpf.program('ninth', Tc).attach({ ...place(), by: 'tcx' });
  await attach('fifth', 50);
  await attach('first', 10);
  await ebpf.program('eighth', Tc).attach({ ...place(), by: 'tcx' });
  await attach('third', 30);
  await attach('fourth', 30);
  const sixth = await ebpf.program('sixth', Tc).attach({ ...place(), priority: 60, among, pin });
  expect(await order()).toBe('9134568');
  // Many at the same time each find a place.
  await Promise.all([attach('seventh', 25), attach('second', 20)]);
  expect(await order()).toBe('912734568');
  await expect(ebpf.program('second', Tc).attach({ ...place(), among })).rejects.toMatchObject({ path: 'priority' });
  await sixth.close();
  const opened = Link.open(pin);
  expect(await opened.isAttached()).toBe(true);
  await opened.detach();
});

withTcx('a link whose interface is gone is attached no more', async () => {
  const gone = await TestNetwork.create();
  await using ebpf = await Ebpf.load(sample('tc'));
  const link = await ebpf.program('first', Tc).attach({ ...place(), netns: gone.path, by: 'tcx' });
  expect(await link.isAttached()).toBe(true);
  await gone.close();
  // The kernel takes a namespace down a little later.
  for (let tries = 0; tries < 100 && (await link.isAttached()); tries++) await sleep(50);
  expect(await link.isAttached()).toBe(false);
  await link.close();
  await expect(link.isAttached()).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
});

describe('programs of a dispatcher', () => {
  const dispatcher = (): XdpDispatcher =>
    new XdpDispatcher({ interface: 'right', netns: network?.path ?? '', bpffs: network?.pins ?? '' });
  const names = async (): Promise<string[]> => ((await dispatcher().query())?.programs ?? []).map(({ name }) => name);

  withDispatcher('are pinned, found again and taken off', async () => {
    const pin = join(pins, 'dispatched');
    const ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: true });
    await dispatcher().attach(ebpf.program('first', Xdp), { pin, priority: 7 });
    await dispatcher().attach(ebpf.program('second', Xdp));
    await ebpf.close();
    expect(await names()).toEqual(['first']);
    const newer = await Ebpf.load(sample('xdp_dispatched'), { dispatched: true });
    const opened = DispatchedXdpLink.open(pin);
    await opened.update(newer.program('third', Xdp));
    expect((await dispatcher().query())?.programs).toMatchObject([{ name: 'third', priority: 7 }]);
    await newer.close();
    const again = Link.open(pin);
    expect([again.program, await again.isAttached()]).toEqual(['third', true]);
    await again.detach();
    expect(await dispatcher().query()).toBeUndefined();
  });

  withDispatcher('leave nothing when their interface is gone', async () => {
    const gone = await TestNetwork.create();
    await using ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: true });
    const pin = join(pins, 'dispatched');
    const there = new XdpDispatcher({ interface: 'right', netns: gone.path, bpffs: pins });
    await there.attach(ebpf.program('first', Xdp), { pin });
    await gone.close();
    expect(readdirSync(join(pins, 'xdp'))).toHaveLength(1);
    const opened = Link.open(pin);
    expect(await opened.isAttached()).toBe(false);
    await opened.detach();
    expect(readdirSync(join(pins, 'xdp'))).toEqual([]);
    rmSync(join(pins, 'xdp'), { recursive: true });
  });

  withDispatcher('are pinned nowhere when they are not attached', async () => {
    await using ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: true });
    const attach = [
      { program: ebpf.program('first', Xdp), pin: join(pins, 'first') },
      { program: ebpf.program('first', Xdp), pin: join(pins, 'second') },
    ];
    await expect(dispatcher().change({ attach })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    expect(readdirSync(pins)).toEqual([]);
    expect(await dispatcher().query()).toBeUndefined();
  });
});
