import { Ebpf, LinkType, Netfilter, NetfilterLink, type NetfilterAttachOptions } from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasNetfilter = hasTestNetworks && kernelHasSymbol('bpf_nf_link_attach');
const withNetfilter = testIf(hasNetfilter, 'links of netfilter');
const NF_DROP = 0;
const NF_INET_LOCAL_IN = 1;
const NFPROTO_IPV4 = 2;

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasNetfilter) network = await TestNetwork.create();
});
beforeEach(async () => {
  if (hasNetfilter) ebpf = await Ebpf.load(sample('netfilter'));
});
afterEach(async () => {
  if (hasNetfilter) await ebpf.close();
});
afterAll(async () => {
  if (hasNetfilter) await network.close();
});

async function attach(name: string, options: Partial<NetfilterAttachOptions> = {}): Promise<NetfilterLink> {
  return ebpf.program(name, Netfilter).attach({ family: 'ipv4', hook: 'input', netns: network.path, ...options });
}

const packets = (): bigint => ebpf.variables['packets'] as bigint;

describe('Netfilter', () => {
  withNetfilter('sees the packets of a hook, and drops them', async () => {
    const link = await attach('decide', { priority: -5 });
    expect(link).toBeInstanceOf(NetfilterLink);
    expect(link.target).toBe(`netfilter ipv4 input at -5 in ${network.path}`);
    expect(link.info()).toMatchObject({
      type: LinkType.NETFILTER,
      programId: ebpf.program('decide').info().id,
      protocolFamily: NFPROTO_IPV4,
      hook: NF_INET_LOCAL_IN,
      priority: -5,
    });
    await network.send(1);
    await until(() => packets() > 0n);
    // 100 bytes in UDP in IPv4.
    const { hook, family, length } = ebpf.variables;
    expect([hook, family, length]).toEqual([NF_INET_LOCAL_IN, NFPROTO_IPV4, 128]);
    ebpf.variables['verdict'] = NF_DROP;
    const late = await attach('first', { priority: 5 });
    await network.send(1);
    expect(ebpf.variables['order']).toBe(0n);
    await link.close();
    const before = packets();
    await network.send(1);
    await until(() => ebpf.variables['order'] !== 0n);
    expect(packets()).toBe(before);
    await late.detach();
  });

  withNetfilter('runs programs by priority', async () => {
    await attach('second', { hook: 'output', priority: 100 });
    const first = await attach('first', { hook: 'output', priority: -100 });
    await network.send(1);
    await until(() => ebpf.variables['order'] === 12n);
    await first.close();
    await attach('first', { hook: 'output', priority: 0x7fff_fffe });
    ebpf.variables['order'] = 0n;
    await network.send(1);
    await until(() => ebpf.variables['order'] === 21n);
  });

  withNetfilter('is told with others, by hook and family', async () => {
    const ids = (found: readonly { readonly programId: number }[]): string[] => {
      const names = new Map(ebpf.programs.map((program) => [program.info().id, program.name]));
      return found.flatMap(({ programId }) => names.get(programId) ?? []);
    };
    await attach('second', { priority: 100 });
    await attach('first', { priority: -100 });
    await attach('decide', { hook: 'output' });
    expect(ids(Netfilter.query())).toEqual(['first', 'decide', 'second']);
    expect(ids(Netfilter.query({ hook: 'input' }))).toEqual(['first', 'second']);
    expect(ids(Netfilter.query({ hook: 'output', family: 'ipv4' }))).toEqual(['decide']);
    expect(ids(Netfilter.query({ family: 'ipv6' }))).toEqual([]);
    expect(() => Netfilter.query({ hook: 'ingress' as never })).toThrow(/^hook: must be 'prerouting', /);
  });

  withNetfilter('stays attached by a pin', async () => {
    const link = await attach('decide', { hook: 'postrouting' });
    const path = `${network.pins}/netfilter`;
    link.pin(path);
    await link.close();
    await network.send(1);
    await until(() => packets() > 0n);
    link.unpin(path);
  });

  withNetfilter('says what cannot be', async () => {
    const failures: [Partial<NetfilterAttachOptions>, object][] = [
      [{ family: 'arp' as 'ipv4' }, { path: 'family', message: "family: must be 'ipv4', 'ipv6', not 'arp'" }],
      [{ hook: 'ingress' as 'input' }, { path: 'hook' }],
      [{ hook: undefined as unknown as 'input' }, { path: 'hook' }],
      [{ priority: -(2 ** 31) }, { path: 'priority' }],
      [{ priority: 2 ** 31 - 1 }, { path: 'priority' }],
      [{ priority: 0.5 }, { path: 'priority' }],
      [{ defragment: true, priority: -400 }, { path: 'priority' }],
      [{ netns: '/proc/self/status' }, { path: 'netns' }],
      [{ netns: '/run/netns/none' }, { path: 'netns' }],
    ];
    for (const [options, error] of failures) {
      await expect(attach('decide', options)).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE', ...error });
    }
    expect(ebpf.links).toEqual([]);
    const { unattached } = await ebpf.attach();
    expect(unattached[0]?.reason).toBe("its section names no hook; give attach({ family: 'ipv4', hook: 'input' })");
  });

  testIf(hasNetfilter && kernelHasSymbol('nf_defrag_ipv4_enable'), 'defragmentation by netfilter')(
    'puts fragments together first',
    async () => {
      await attach('decide', { hook: 'prerouting', defragment: true });
      await network.send(1);
      await until(() => packets() > 0n);
    },
  );
});
