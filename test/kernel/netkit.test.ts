import {
  AttachType,
  Ebpf,
  listInterfaces,
  LinkType,
  Netkit,
  NetkitLink,
  type NetkitAttachOptions,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasNetkit = hasTestNetworks && kernelHasSymbol('netkit_link_attach');
const withNetkit = testIf(hasNetkit, 'netkit');
const withoutNetkit = testIf(hasTestNetworks && !hasNetkit, 'a kernel without netkit');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create({ netkit: hasNetkit });
});
beforeEach(async () => {
  if (hasNetkit) ebpf = await Ebpf.load(sample('netkit'));
});
afterEach(async () => {
  if (hasNetkit) await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const netkit = (name: string): Netkit => ebpf.program(name, Netkit);
const idOf = (name: string): number => netkit(name).info().id;

async function attach(name: string, options: Partial<NetkitAttachOptions> = {}): Promise<NetkitLink> {
  return netkit(name).attach({ interface: 'nk', netns: network.path, ...options });
}

/** The digits of the programs that one packet out of the primary interface passed. */
async function order(): Promise<string> {
  ebpf.variables['order'] = 0n;
  await network.send(1, '10.98.0.2');
  await until(() => ebpf.variables['order'] !== 0n);
  return String(ebpf.variables['order']);
}

describe('Netkit', () => {
  withNetkit('runs programs in the order that is asked for, and lets one take the place of another', async () => {
    const first = await attach('first');
    expect(first).toBeInstanceOf(NetkitLink);
    expect(first.target).toBe(`netkit primary nk in ${network.path}`);
    const index = (await listInterfaces({ netns: network.path })).find(({ name }) => name === 'nk')?.index;
    const { NETKIT_PRIMARY: attachType } = AttachType;
    expect(first.info()).toMatchObject({ type: LinkType.NETKIT, interfaceIndex: index, attachType });
    await attach('second', { order: { before: first } });
    const third = await attach('third', { order: { after: { programId: idOf('second') } } });
    expect(await order()).toBe('231');
    const query = { interface: 'nk', netns: network.path, end: 'primary' } as const;
    const { programs, revision } = await Netkit.query(query);
    expect(programs.map(({ programId }) => programId)).toEqual(['second', 'third', 'first'].map(idOf));
    expect(programs[1]?.linkId).toBe(third.info().id);
    await third.close();
    await expect(attach('third', { expectedRevision: revision })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    expect(await order()).toBe('21');
    await first.update(netkit('drop_ours'), { expected: netkit('first') });
    await network.send(1, '10.98.0.2');
    await until(() => ebpf.variables['packets'] === 100n);
    expect(first.program).toBe('drop_ours');
  });

  withNetkit('runs programs of the peer, which are attached by the primary interface', async () => {
    const link = await attach('at_peer');
    await network.send(2, '10.97.0.2');
    await until(() => ebpf.variables['packets'] === 2n);
    const { programs } = await Netkit.query({ interface: 'nk', netns: network.path, end: 'peer' });
    expect(programs).toEqual([{ programId: idOf('at_peer'), linkId: link.info().id }]);
    await link.close();
    await network.send(1, '10.97.0.2');
    expect(ebpf.variables['packets']).toBe(2n);
  });

  withNetkit('says what cannot be', async () => {
    await expect(attach('first', { interface: 'nk0' })).rejects.toMatchObject({
      path: 'interface',
      message: expect.stringContaining('it is the peer of a pair; give its primary interface') as string,
    });
    await expect(attach('first', { interface: 'left' })).rejects.toMatchObject({
      path: 'interface',
      message: expect.stringContaining('it is no netkit interface') as string,
    });
    await expect(attach('first', { order: { before: netkit('second') } })).rejects.toMatchObject({
      errnoName: 'ENOENT',
    });
    await expect(Netkit.query({ interface: 'nk', netns: network.path, end: 'middle' as 'peer' })).rejects.toMatchObject(
      { path: 'end' },
    );
    const { unattached } = await ebpf.attach();
    expect(unattached[0]?.reason).toBe(
      'section "netkit/primary" names no interface; give attach({ interface: \'name\' })',
    );
  });

  withoutNetkit('is refused without it', async () => {
    await expect(Netkit.query({ interface: 'left', netns: network.path, end: 'peer' })).rejects.toMatchObject({
      name: 'UnsupportedError',
      since: '6.7',
    });
  });
});
