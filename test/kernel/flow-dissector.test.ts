import type { NetworkNamespaceLink } from '../../lib/index.js';
import { AttachType, Ebpf, FlowDissector, LinkType, Tc } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const inNetwork = testIf(hasTestNetworks, 'network interfaces of its own');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
});
beforeEach(async () => {
  ebpf = await Ebpf.load(sample('flow_dissector'));
});
afterEach(async () => {
  await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const dissected = (): bigint => ebpf.variables['dissected'] as bigint;
const attach = async (name: string): Promise<NetworkNamespaceLink> =>
  ebpf.program(name, FlowDissector).attach({ netns: network.path });

describe('FlowDissector', () => {
  inNetwork('takes packets apart when their flow is asked for', async () => {
    await ebpf.program('ask', Tc).attach({ interface: 'right', netns: network.path, direction: 'ingress' });
    const link = await attach('dissect');
    expect(link.target).toBe(`flow_dissector ${network.path}`);
    const { FLOW_DISSECTOR: attachType } = AttachType;
    expect(link.info()).toMatchObject({ type: LinkType.NETNS, attachType });
    expect(await FlowDissector.query({ netns: network.path })).toEqual([{ programId: link.info().programId }]);
    await network.send(1);
    await until(() => dissected() > 0n);
    await until(() => ebpf.variables['hash'] !== 0);
    await link.update(ebpf.program('refuse', FlowDissector));
    const before = dissected();
    await network.send(1);
    await until(() => dissected() >= before + 100n);
    await link.close();
    expect(await FlowDissector.query({ netns: network.path })).toEqual([]);
  });

  inNetwork('is the only one', async () => {
    const link = await attach('dissect');
    await expect(attach('refuse')).rejects.toMatchObject({
      code: 'ERR_EBPF_BUSY',
      message: expect.stringContaining('a flow dissector is attached already, here or for all') as string,
    });
    await link.close();
    await expect(ebpf.program('dissect', FlowDissector).attach({ netns: '/proc/self/status' })).rejects.toMatchObject({
      path: 'netns',
    });
  });

  test('is not attached by its section', async () => {
    const { links, unattached } = await ebpf.attach();
    expect(links).toEqual([]);
    expect(unattached[0]?.reason).toMatch(/^it would take apart the packets of a whole network namespace/u);
  });
});
