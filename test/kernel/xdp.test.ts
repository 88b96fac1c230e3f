import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  AttachType,
  Ebpf,
  LinkType,
  ObjectSpec,
  Xdp,
  XdpLink,
  type LinkableProgram,
  type XdpAttachOptions,
  type XdpMode,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');
const XDP_DROP = 1;

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
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

const packets = (of: Ebpf = ebpf): bigint => of.variable('packets').value as bigint;

/** Sends `count` packets and waits until the program has seen them. */
async function counted(count: number, of: Ebpf = ebpf): Promise<void> {
  const before = packets(of);
  await network.send(count);
  await until(() => packets(of) >= before + BigInt(count));
}

async function attach(mode?: XdpMode): Promise<XdpLink> {
  return ebpf.program('decide', Xdp).attach({ interface: 'right', netns: network.path, mode });
}

function failure(name: string, code: string, message: string | RegExp): Error {
  const text = typeof message === 'string' ? message : (expect.stringMatching(message) as string);
  return expect.objectContaining({ name, code, message: text }) as Error;
}

describe('Xdp', () => {
  for (const mode of [undefined, 'native', 'generic'] as const) {
    inNetwork(`sees the packets of another network namespace, mode ${mode ?? 'by default'}`, async () => {
      const link = await attach(mode);
      expect(link).toBeInstanceOf(XdpLink);
      expect(link.target).toBe(`xdp right in ${network.path}`);
      expect(link.survivesProcess).toBe(false);
      const info = link.info();
      expect(info).toMatchObject({ type: LinkType.XDP, programId: ebpf.program('decide').info().id });
      await counted(3);
      expect(packets()).toBe(3n);
      expect(ebpf.variable('ingress_index').value).toBe(info.interfaceIndex);
      await link.close();
      await network.send(1);
      expect(packets()).toBe(3n);
    });
  }

  inNetwork('drops packets before the stack sees them', async () => {
    await attach();
    const start = await network.received();
    await counted(5);
    const between = await network.received();
    ebpf.variable('action').value = XDP_DROP;
    await counted(5);
    const end = await network.received();
    // What is sent to all is also received where it was sent.
    expect([between - start, end - between]).toEqual([10, 5]);
  });

  inNetwork('may be given by the index of the interface', async () => {
    const first = await attach();
    await counted(1);
    const index = ebpf.variable('ingress_index').value as number;
    await first.close();
    const link = await ebpf.program('decide', Xdp).attach({ interface: index, netns: network.path });
    await counted(1);
    expect(link.target).toBe(`xdp ${index} in ${network.path}`);
  });

  inNetwork('is replaced without a gap, by a program of another object that then owns the link', async () => {
    const newer = await Ebpf.load(sample('xdp'));
    const link = await attach();
    await link.update(newer.program('drop_all', Xdp));
    expect(link.program).toBe('drop_all');
    expect(ebpf.program('decide').links).toEqual([]);
    expect(ebpf.links).toEqual([]);
    expect(newer.links).toEqual([link]);
    expect(newer.program('drop_all').links).toEqual([link]);
    expect(inspect(link)).toBe(`XdpLink { 'drop_all' at 'xdp right in ${network.path}' }`);
    await ebpf.close();
    expect(link.closed).toBe(false);
    await network.send(1);
    await until(() => packets(newer) === 100n);
    await newer.close();
    expect(link.closed).toBe(true);
  });

  inNetwork('is replaced only when the expected program is attached', async () => {
    const link = await attach();
    const decide = ebpf.program('decide', Xdp);
    const dropAll = ebpf.program('drop_all', Xdp);
    await expect(link.update(dropAll, { expected: dropAll })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_BUSY', /another program than "drop_all" is attached$/),
    );
    expect(link.program).toBe('decide');
    await link.update(dropAll, { expected: decide });
    expect(link.info().programId).toBe(dropAll.info().id);
    const other = await Ebpf.load(sample('socket_filter'));
    await expect(link.update(other.program('keep_all'))).rejects.toEqual(
      failure(
        'UsageError',
        'ERR_EBPF_INVALID_VALUE',
        /^program: "keep_all" is not of the type that is attached to xdp right/,
      ),
    );
    await expect(link.update({ name: 'nothing' } as unknown as LinkableProgram)).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', "program: must be a loaded program, not { name: 'nothing' }"),
    );
    await other.close();
  });

  inNetwork('stays attached by a pin', async () => {
    const path = `${network.pins}/decide`;
    const link = await attach();
    link.pin(path);
    await link.close();
    await counted(1);
    await expect(attach()).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    rmSync(path);
    // The kernel lets go of it in its own time.
    const before = packets();
    for (let tries = 0; ; tries++) {
      const again = await attach().catch((error: unknown) => error);
      if (again instanceof XdpLink) break;
      if (tries === 100) throw again;
      await sleep(20);
    }
    expect(packets()).toBe(before);
  });

  inNetwork('says what stands in the way', async () => {
    const program = ebpf.program('decide', Xdp);
    const netns = network.path;
    await expect(program.attach({ interface: 'rigth', netns })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_NOT_FOUND', 'no network interface is named "rigth"; did you mean "right"?'),
    );
    await expect(program.attach({ interface: 999, netns })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', 'interface: no network interface has the index 999'),
    );
    await expect(program.attach({ interface: 'lo', netns, mode: 'native' })).rejects.toEqual(
      failure('UnsupportedError', 'ERR_EBPF_UNSUPPORTED', /^native XDP: the driver of the interface cannot do it/),
    );
    await expect(program.attach({ interface: 'right', netns: '/proc/self/status' })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', 'netns: /proc/self/status is no network namespace'),
    );
    await expect(program.attach({ interface: 'right', netns: '/run/netns/none' })).rejects.toEqual(
      failure(
        'UsageError',
        'ERR_EBPF_INVALID_VALUE',
        /^netns: network namespace "\/run\/netns\/none" cannot be opened: ENOENT/,
      ),
    );
    for (const name of ['', 'sixteen-letters-', 'a\0b', 0, -1, 1.5, 2 ** 31, NaN]) {
      await expect(program.attach({ interface: name, netns })).rejects.toMatchObject({ path: 'interface' });
    }
    await expect(program.attach({ interface: 'right', netns, mode: 'fast' as XdpMode })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', "mode: must be 'native', 'generic' or 'offload', not \"fast\""),
    );
    await attach('generic');
    await expect(attach('generic')).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_BUSY', /^xdp right in .* is busy: an XDP program is attached already/),
    );
    await expect(attach('native')).rejects.toMatchObject({ errnoName: 'EEXIST' });
    expect(ebpf.links).toHaveLength(1);
  });

  inNetwork('tells what is attached, by whomever', async () => {
    const query = { interface: 'right', netns: network.path };
    expect(await Xdp.query(query)).toEqual([]);
    for (const mode of ['native', 'generic'] as const) {
      const link = await attach(mode);
      expect(await Xdp.query(query)).toEqual([{ programId: ebpf.program('decide').info().id, mode }]);
      await link.close();
    }
    expect(await Xdp.query(query)).toEqual([]);
    expect(await Xdp.query({ ...query, interface: 'lo' })).toEqual([]);
    await expect(Xdp.query({ ...query, interface: 'rigth' })).rejects.toMatchObject({ code: 'ERR_EBPF_NOT_FOUND' });
  });

  inNetwork('an aborted attach leaves nothing attached', async () => {
    const abort = new AbortController();
    const program = ebpf.program('decide', Xdp);
    const attaching = program.attach({ interface: 'right', netns: network.path, signal: abort.signal });
    abort.abort('enough');
    await expect(attaching).rejects.toBe('enough');
    await (await attach()).close();
  });

  test('is not attached by its section', async () => {
    await expect(ebpf.program('decide', Xdp).attach()).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', "interface: is missing; give attach({ interface: 'name' })"),
    );
    const { links, unattached } = await ebpf.attach();
    expect(links).toEqual([]);
    const reasons = new Map(unattached.map(({ program, reason }) => [program.name, reason]));
    expect(reasons.get('decide')).toBe('section "xdp" names no interface; give attach({ interface: \'name\' })');
    expect(reasons.get('at_device')).toBe('it runs from a map: devMap.set(key, { ifindex, program })');
    expect(reasons.get('at_processor')).toBe('it runs from a map: cpuMap.set(cpu, { queueSize, program })');
  });

  test('programs for maps are not attached to interfaces', async () => {
    await expect(ebpf.program('at_device', Xdp).attach({ interface: 'right' })).rejects.toEqual(
      failure('UsageError', 'ERR_EBPF_INVALID_VALUE', /^program "at_device": it runs from a map: devMap/),
    );
  });

  testIf(kernelHasSymbol('bpf_xdp_load_bytes'), 'kernel 5.18')('every section loads as what it says', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('xdp')), { name: 'xdp.bpf.o' });
    // Those that redirect to maps which others without fragments use would be refused.
    for (const program of spec.programs.values()) program.autoload = !program.name.startsWith('fragments_to_');
    const all = await Ebpf.load(spec);
    const types = new Map(all.programs.map(({ name, attachType }) => [name, attachType]));
    expect(types.get('with_fragments')).toBe(AttachType.XDP);
    expect(types.get('at_device')).toBe(AttachType.XDP_DEVMAP);
    expect(types.get('fragments_at_device')).toBe(AttachType.XDP_DEVMAP);
    expect(types.get('at_processor')).toBe(AttachType.XDP_CPUMAP);
    expect(types.get('fragments_at_processor')).toBe(AttachType.XDP_CPUMAP);
    await all.close();
  });
});

describe('Xdp by netlink', () => {
  const query = async () => Xdp.query({ interface: 'right', netns: network.path });
  const id = (name: string): number => ebpf.program(name).info().id;
  const byNetlink = async (name: string, options: Partial<XdpAttachOptions> = {}): Promise<XdpLink> =>
    ebpf.program(name, Xdp).attach({ interface: 'right', netns: network.path, by: 'netlink', ...options });

  for (const mode of [undefined, 'native', 'generic'] as const) {
    inNetwork(`is attached without a link, and replaced, mode ${mode ?? 'by default'}`, async () => {
      const link = await byNetlink('decide', { mode });
      expect(link.survivesProcess).toBe(true);
      expect(await query()).toEqual([{ programId: id('decide'), mode: mode ?? 'native' }]);
      await counted(2);
      expect(() => link.info()).toThrow(/^links of XDP: the program was attached to xdp right .* by netlink/u);
      const [decide, dropAll] = [ebpf.program('decide', Xdp), ebpf.program('drop_all', Xdp)];
      await expect(link.update(dropAll, { expected: dropAll })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
      await link.update(dropAll, { expected: decide });
      expect(await query()).toMatchObject([{ programId: id('drop_all') }]);
      await link.close();
      expect(await query()).toEqual([]);
    });
  }

  inNetwork('takes the place of a program that is named, and of no other', async () => {
    const first = await byNetlink('decide');
    await expect(byNetlink('drop_all')).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    const busy = { code: 'ERR_EBPF_BUSY', message: expect.stringContaining('another program than that') as string };
    await expect(byNetlink('drop_all', { replace: { programId: id('to_user') } })).rejects.toMatchObject(busy);
    const second = await byNetlink('drop_all', { replace: { programId: id('decide') } });
    const third = await byNetlink('to_user', { replace: ebpf.program('drop_all', Xdp) });
    // What the others attached is gone already: nothing of somebody else's is detached.
    await first.close();
    await second.close();
    expect(await query()).toMatchObject([{ programId: id('to_user') }]);
    await third.detach();
    expect(await query()).toEqual([]);
    await expect(byNetlink('drop_all', { replace: ebpf.program('decide', Xdp) })).rejects.toMatchObject(busy);
  });

  inNetwork('is gone with its interface', async () => {
    const gone = await TestNetwork.create();
    const link = await byNetlink('decide', { netns: gone.path });
    await gone.close();
    await link.close();
  });

  inNetwork('says what cannot be', async () => {
    await expect(byNetlink('decide', { by: 'ioctl' as 'link' })).rejects.toMatchObject({ path: 'by' });
    await expect(byNetlink('decide', { by: 'link', replace: { programId: 1 } })).rejects.toMatchObject({
      path: 'replace',
    });
    await expect(byNetlink('decide', { replace: {} as unknown as LinkableProgram })).rejects.toMatchObject({
      path: 'replace',
    });
    const link = await attach();
    await expect(byNetlink('decide')).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    await link.close();
  });
});
