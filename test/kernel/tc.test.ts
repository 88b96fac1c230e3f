import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  AttachType,
  Ebpf,
  listInterfaces,
  LinkType,
  Tc,
  TcFilterLink,
  TcxLink,
  type Program,
  type TcAttachOptions,
  type AttachOrder,
} from '../../lib/index.js';
import { hasClsact } from '../helpers/clsact.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasTcx = kernelHasSymbol('tcx_prog_attach');
const withTcx = testIf(hasTestNetworks && hasTcx, 'TCX');
const withClsact = testIf(hasTestNetworks && hasClsact, 'clsact');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
});
beforeEach(async () => {
  ebpf = await Ebpf.load(sample('tc'));
});
afterEach(async () => {
  await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const tc = (name: string): Tc => ebpf.program(name, Tc);
const packets = (): bigint => ebpf.variables['packets'] as bigint;

async function attach(name: string, options: Partial<TcAttachOptions> = {}): Promise<TcxLink | TcFilterLink> {
  return tc(name).attach({ interface: 'right', netns: network.path, ...options });
}

async function tcx(name: string, order?: AttachOrder): Promise<TcxLink> {
  const link = await attach(name, { by: 'tcx', order });
  if (link instanceof TcxLink) return link;
  throw new Error(inspect(link));
}

async function filter(name: string, options: Partial<TcAttachOptions> = {}): Promise<TcFilterLink> {
  const link = await attach(name, { by: 'clsact', ...options });
  if (link instanceof TcFilterLink) return link;
  throw new Error(inspect(link));
}

/** The digits of the programs that one packet passed. */
async function order(): Promise<string> {
  ebpf.variables['order'] = 0n;
  await network.send(1);
  await until(() => ebpf.variables['order'] !== 0n);
  return String(ebpf.variables['order']);
}

const idOf = (program: Program): number => program.info().id;

describe('by TCX', () => {
  withTcx('runs programs in the order that is asked for', async () => {
    const first = await tcx('first');
    expect(first.target).toBe(`tc ingress right in ${network.path}`);
    const index = (await listInterfaces({ netns: network.path })).find(({ name }) => name === 'right')?.index;
    const { TCX_INGRESS: attachType } = AttachType;
    expect(first.info()).toMatchObject({ type: LinkType.TCX, interfaceIndex: index, attachType });
    expect(await order()).toBe('1');
    await tcx('second', 'last');
    await tcx('third', 'first');
    await tcx('fourth', { after: first });
    await tcx('fifth', { before: tc('second') });
    await tcx('sixth', { before: { programId: idOf(tc('third')) } });
    await tcx('seventh', { after: { linkId: first.info().id } });
    await tcx('eighth', { before: first });
    const ninth = await tcx('ninth', { after: { programId: idOf(tc('second')) } });
    expect(await order()).toBe('638174529');
    const { programs, revision } = await Tc.query({ interface: 'right', netns: network.path, direction: 'ingress' });
    const named = new Map(ebpf.programs.map((program) => [idOf(program), program.name]));
    expect(programs.map(({ programId }) => named.get(programId))).toEqual([
      'sixth',
      'third',
      'eighth',
      'first',
      'seventh',
      'fourth',
      'fifth',
      'second',
      'ninth',
    ]);
    expect(programs.at(-1)?.linkId).toBe(ninth.info().id);
    expect(revision).toBe(10n);
    await first.close();
    expect(await order()).toBe('63874529');
    await expect(attach('first', { expectedRevision: 10n })).rejects.toMatchObject({
      code: 'ERR_EBPF_BUSY',
      message: expect.stringMatching(
        /^tc ingress right in .* is busy: programs were attached or detached since/u,
      ) as string,
    });
    await attach('first', { expectedRevision: 11 });
  });

  withTcx('is replaced in its place', async () => {
    await tcx('first');
    const second = await tcx('second');
    await tcx('third');
    await second.update(tc('ninth'));
    expect(await order()).toBe('193');
    expect(second.program).toBe('ninth');
  });

  withTcx('works on what goes out', async () => {
    const link = await attach('outgoing', { interface: 'left' });
    expect(link.target).toBe(`tc egress left in ${network.path}`);
    await network.send(3);
    await until(() => packets() === 3n);
    await link.close();
    await network.send(1);
    expect(packets()).toBe(3n);
  });

  withTcx('says what cannot be', async () => {
    await expect(attach('anywhere')).rejects.toMatchObject({
      message: 'direction: section "classifier" of program "anywhere" does not say; give \'ingress\' or \'egress\'',
    });
    const first = await tcx('first');
    const failures: [Partial<TcAttachOptions>, object][] = [
      [{ order: { before: tc('second') } }, { errnoName: 'ENOENT' }],
      [{ order: 'middle' as 'first' }, { path: 'order' }],
      [{ order: { before: { programId: 0 } } }, { path: 'order.before.programId' }],
      [{ order: { after: { name: 'x' } as unknown as Tc } }, { path: 'order.after' }],
      [{ direction: 'up' as 'ingress' }, { path: 'direction' }],
      [{ by: 'xdp' as 'tcx' }, { path: 'by' }],
      [{ order: 'first', priority: 1 }, { path: 'priority' }],
      [{ order: 'first', by: 'clsact' }, { path: 'order' }],
    ];
    for (const [options, error] of failures) await expect(attach('third', options)).rejects.toMatchObject(error);
    await first.close();
    await expect(attach('third', { order: { before: first } })).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
  });
});

describe('by clsact', () => {
  withClsact('attaches filters, which run by priority', async () => {
    const late = await filter('first', { priority: 20 });
    const early = await filter('second', { priority: 10 });
    expect([late.priority, early.priority]).toEqual([20, 10]);
    expect(late.filterHandle).toBeGreaterThan(0);
    expect(await order()).toBe('21');
    expect(late.survivesProcess).toBe(true);
    await early.close();
    expect(await order()).toBe('1');
    await early.close();
  });

  withClsact('takes a handle or chooses one', async () => {
    const chosen = await filter('first', { priority: 7, handle: 0x42 });
    expect([chosen.priority, chosen.filterHandle]).toEqual([7, 0x42]);
    const other = await filter('second', { priority: 7 });
    expect(other.priority).toBe(7);
    expect(other.filterHandle).not.toBe(0x42);
    const automatic = await filter('third');
    expect(automatic.priority).toBeGreaterThan(0);
    await expect(filter('fourth', { priority: 7, handle: 0x42 })).rejects.toMatchObject({ errnoName: 'EEXIST' });
    await expect(filter('fourth', { priority: 65_536 })).rejects.toMatchObject({ path: 'priority' });
    await expect(filter('fourth', { handle: -1 })).rejects.toMatchObject({ path: 'handle' });
  });

  withClsact('is replaced in its place', async () => {
    const link = await filter('anywhere', { direction: 'ingress', priority: 5 });
    await network.send(2);
    await until(() => packets() === 2n);
    await link.update(tc('drop_ours'));
    expect(link.program).toBe('drop_ours');
    expect(tc('anywhere').links).toEqual([]);
    const before = await network.received();
    await network.send(1);
    await until(() => packets() === 102n);
    // It was dropped: only where it was sent it was also received.
    expect((await network.received()) - before).toBe(1);
    expect(() => link.info()).toThrow(
      /^links of filters: the program was attached to tc ingress right in .* as a filter/u,
    );
    await link.detach();
    expect(ebpf.links).toEqual([]);
    await expect(link.update(tc('anywhere'))).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
  });

  withClsact('keeps its class when the program is replaced', async () => {
    const classes = async (): Promise<(number | undefined)[]> =>
      (await Tc.query({ interface: 'right', netns: network.path, direction: 'ingress' })).filters.map(
        ({ classId }) => classId,
      );
    const link = await filter('first', { classId: 0x10_0002, priority: 1 });
    await filter('second', { priority: 2 });
    expect(await classes()).toEqual([0x10_0002, undefined]);
    await link.update(tc('third'));
    expect(await classes()).toEqual([0x10_0002, undefined]);
    expect(await order()).toBe('32');
    await expect(filter('third', { classId: 2 ** 32 })).rejects.toMatchObject({ path: 'classId' });
    await expect(attach('third', { classId: 1, by: 'tcx' })).rejects.toMatchObject({ path: 'priority' });
  });

  withClsact('stays on request when its object is closed, and any process takes it off', async () => {
    const place = { interface: 'right', netns: network.path, direction: 'ingress' } as const;
    const other = await Ebpf.load(sample('tc'));
    const link = await other.program('first', Tc).attach({ ...place, keep: true, priority: 9 });
    const programId = idOf(other.program('first'));
    await other.close();
    expect([link.closed, link.survivesProcess]).toEqual([true, true]);
    const [found] = (await Tc.query(place)).filters;
    expect(found).toMatchObject({ priority: 9, programId });
    const { priority, handle } = found ?? { priority: 0, handle: 0 };
    await Tc.removeFilter({ ...place, priority, handle });
    expect((await Tc.query(place)).filters).toEqual([]);
    await expect(Tc.removeFilter({ ...place, priority, handle })).rejects.toMatchObject({ errnoName: 'ENOENT' });
    await expect(Tc.removeFilter({ ...place, priority: 0, handle })).rejects.toMatchObject({ path: 'priority' });
    await expect(attach('first', { keep: true, by: 'tcx' })).rejects.toMatchObject({ path: 'priority' });
  });

  withClsact('is taken off again when an attach that was to stay is aborted', async () => {
    const ending = new AbortController();
    const attaching = filter('first', { keep: true, signal: ending.signal });
    const query = { interface: 'right', netns: network.path, direction: 'ingress' } as const;
    const aborting = (async () => {
      while ((await Tc.query(query)).filters.length === 0) await nextTurn();
      ending.abort();
    })();
    // Which of both is first is the kernel's affair: either it is attached, or nothing is.
    const [result] = await Promise.allSettled([attaching, aborting]);
    const { filters } = await Tc.query(query);
    expect(filters).toHaveLength(result.status === 'fulfilled' ? 1 : 0);
    for (const { priority, handle } of filters) await Tc.removeFilter({ ...query, priority, handle });
  });

  withClsact('are listed, those of others too', async () => {
    const query = { interface: 'right', netns: network.path, direction: 'ingress' } as const;
    const late = await filter('first', { priority: 20, handle: 3 });
    await filter('second', { priority: 10 });
    const { programs, filters } = await Tc.query(query);
    expect(programs).toEqual([]);
    expect(filters).toMatchObject([
      { priority: 10, kind: 'bpf', programId: idOf(tc('second')), name: 'second', directAction: true, chain: 0 },
      { priority: 20, handle: 3, kind: 'bpf', programId: idOf(tc('first')), protocol: 3 },
    ]);
    expect((await Tc.query({ ...query, direction: 'egress' })).filters).toEqual([]);
    await late.close();
    expect((await Tc.query(query)).filters.map(({ priority }) => priority)).toEqual([10]);
    expect((await Tc.query({ ...query, interface: 'lo' })).filters).toEqual([]);
  });

  withClsact('works on what goes out, and closes when its filter is gone', async () => {
    const link = await filter('outgoing', { interface: 'left' });
    await network.send(1);
    await until(() => packets() === 1n);
    const gone = await TestNetwork.create();
    const other = await tc('outgoing').attach({ interface: 'left', netns: gone.path, by: 'clsact' });
    await gone.close();
    await other.close();
    await link.close();
  });
});

test('is not attached by its section', async () => {
  const { links, unattached } = await ebpf.attach();
  expect(links).toEqual([]);
  expect(unattached[0]?.reason).toBe('section "tc/ingress" names no interface; give attach({ interface: \'name\' })');
});

testIf(hasTestNetworks && !hasTcx, 'a kernel without TCX')('what needs TCX is refused without it', async () => {
  const error = { name: 'UnsupportedError', since: '6.6' };
  await expect(attach('first', { by: 'tcx' })).rejects.toMatchObject(error);
  await expect(attach('first', { order: 'first' })).rejects.toMatchObject(error);
});
