// The application in examples/packet-filter.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { PacketFilter, type Drop } from '../../examples/packet-filter/filter.js';
import { parseRules, type Direction } from '../../examples/packet-filter/rules.js';
import { repository, runExample } from '../helpers/command.js';
import { emulated } from '../helpers/emulation.js';
import { ethernet, icmp, ipv4, ipv6, ipv6Options, tcp, udp, vlan } from '../helpers/packets.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { testIf } from '../helpers/skip.js';
import { addresses, TestRoute } from '../helpers/test-route.js';
import { hasTestNetworks } from '../helpers/test-network.js';

const object = join(repository, 'examples/packet-filter/packet_filter.bpf.o');
const verdicts: Readonly<Record<Direction, { allowed: number; denied: number }>> = {
  in: { allowed: 2, denied: 1 },
  // TC_ACT_UNSPEC, -1, and TC_ACT_SHOT.
  out: { allowed: 0xffff_ffff, denied: 2 },
};

let filter: PacketFilter;
beforeEach(async () => {
  filter = await PacketFilter.load(object);
});
afterEach(async () => {
  await filter.close();
});

async function verdict(data: Uint8Array, direction: Direction = 'in'): Promise<'allowed' | 'denied'> {
  const { returnValue } = await filter.program(direction).testRun({ data });
  const { allowed, denied } = verdicts[direction];
  if (returnValue !== allowed && returnValue !== denied) throw new Error(`the program returned ${returnValue}`);
  return returnValue === allowed ? 'allowed' : 'denied';
}

async function rules(...lines: string[]): Promise<void> {
  await filter.replace(parseRules(lines.join('\n')));
}

function packets(rule: string): number | undefined {
  return filter.counts().find((count) => count.rule === rule)?.packets;
}

const from10 = { source: '10.1.2.3', destination: '192.168.0.1' };
const from2001 = { source: '2001:db8::7', destination: 'fd00::1' };

describe('of the rules that fit', () => {
  test('none is needed: everything passes', async () => {
    expect(await verdict(ethernet(ipv4(from10, tcp(1, 22))))).toBe('allowed');
    await rules();
    expect(await verdict(ethernet(ipv4(from10, tcp(1, 22))))).toBe('allowed');
    expect(packets('(no rule)')).toBe(2);
  });

  test('the longest network counts, of equals the port, then the protocol', async () => {
    await rules(
      'deny in any',
      'allow in 10.0.0.0/8',
      'deny in 10.0.0.0/8 tcp',
      'allow in 10.0.0.0/8 tcp 443',
      'deny in any udp 53',
    );
    expect(await verdict(ethernet(ipv4(from10, udp(1, 80))))).toBe('allowed');
    expect(await verdict(ethernet(ipv4(from10, udp(1, 53))))).toBe('allowed');
    expect(await verdict(ethernet(ipv4(from10, tcp(1, 80))))).toBe('denied');
    expect(await verdict(ethernet(ipv4(from10, tcp(1, 443))))).toBe('allowed');
    expect(await verdict(ethernet(ipv4({ ...from10, source: '11.0.0.1' }, tcp(1, 443))))).toBe('denied');
    expect(packets('allow in 10.0.0.0/8')).toBe(2);
    expect(packets('allow in 10.0.0.0/8 tcp 443')).toBe(1);
    expect(packets('deny in any')).toBe(1);
  });

  test('incoming packets are known by their source, outgoing ones by their destination', async () => {
    await rules('deny out 192.168.0.0/16 tcp 25', 'deny in 10.1.2.3');
    const mail = ethernet(ipv4(from10, tcp(1, 25)));
    expect([await verdict(mail, 'in'), await verdict(mail, 'out')]).toEqual(['denied', 'denied']);
    const back = ethernet(ipv4({ source: '192.168.0.1', destination: '10.1.2.3' }, tcp(25, 1)));
    expect([await verdict(back, 'in'), await verdict(back, 'out')]).toEqual(['allowed', 'allowed']);
  });

  test('a rule that stays goes on counting, one that is new starts at nothing', async () => {
    const packet = ethernet(ipv4(from10, tcp(1, 22)));
    await rules('allow in any tcp 22');
    await verdict(packet);
    await rules('deny in 11.0.0.0/8', 'allow in any tcp 22');
    await verdict(packet);
    expect(packets('allow in any tcp 22')).toBe(2);
    for (const word of ['deny', 'allow', 'deny', 'allow']) {
      await rules(`${word} in any tcp 22`);
      await verdict(packet);
      expect(packets(`${word} in any tcp 22`)).toBe(1);
    }
  });
});

describe('packets are understood', () => {
  const transports: readonly [string, ReturnType<typeof tcp>, string][] = [
    ['TCP', tcp(1, 7), 'tcp'],
    ['UDP', udp(1, 7), 'udp'],
  ];
  test.each(transports)('%s over IPv4 and IPv6, with options and tags', async (_name, transport, protocol) => {
    await rules(`deny in any ${protocol} 7`);
    const four = ipv4(from10, transport);
    const six = ipv6(from2001, transport);
    const optioned = ipv6(from2001, ipv6Options('hop-by-hop', ipv6Options('destination', transport)));
    for (const payload of [four, ipv4({ ...from10, options: 8 }, transport), six, optioned]) {
      expect(await verdict(ethernet(payload))).toBe('denied');
      expect(await verdict(ethernet(vlan(10, payload)))).toBe('denied');
      expect(await verdict(ethernet(vlan(10, vlan(20, payload), 0x88a8)))).toBe('denied');
    }
    expect(packets(`deny in any ${protocol} 7`)).toBe(12);
  });

  test('ICMP of both versions', async () => {
    await rules('deny in any icmp');
    expect(await verdict(ethernet(ipv4(from10, icmp(1))))).toBe('denied');
    expect(await verdict(ethernet(ipv6(from2001, icmp(58))))).toBe('denied');
    expect(await verdict(ethernet(ipv4(from10, udp(1, 1))))).toBe('allowed');
  });

  test('a later fragment has no ports, so that only rules without are about it', async () => {
    await rules('deny in any udp 7', 'deny in 2001:db8::/32 udp');
    expect(await verdict(ethernet(ipv4({ ...from10, fragmentOffset: 8 }, udp(1, 7))))).toBe('allowed');
    const fragment = ipv6(from2001, ipv6Options('fragment', udp(1, 9), 8));
    expect(await verdict(ethernet(fragment))).toBe('denied');
  });

  test('what is not IP passes', async () => {
    await rules('deny in any', 'deny out any');
    const arp = new Uint8Array(60);
    arp.set([0x08, 0x06], 12);
    expect([await verdict(arp), await verdict(arp, 'out')]).toEqual(['allowed', 'allowed']);
    expect(packets('(not IP)')).toBe(2);
  });

  test('what is cut off or wrong in itself is dropped, whatever the rules', async () => {
    await rules();
    const broken: Uint8Array[] = [];
    for (const whole of [
      ethernet(vlan(10, ipv4({ ...from10, options: 8 }, tcp(1, 7)))),
      ethernet(ipv6(from2001, ipv6Options('hop-by-hop', udp(1, 7)))),
    ]) {
      expect(await verdict(whole)).toBe('allowed');
      for (let length = 14; length < whole.length; length++) broken.push(whole.slice(0, length));
    }
    const changed = (at: number, value: number): Uint8Array => {
      const packet = ethernet(ipv4(from10, tcp(1, 7)));
      packet[at] = value;
      return packet;
    };
    broken.push(changed(14, 0x44), changed(14, 0x65), changed(17, 19), changed(46, 0x40));
    for (const packet of broken) expect(await verdict(packet)).toBe('denied');
    expect(packets('(malformed)')).toBe(broken.length);
  });
});

test('a limit is for each source, and a burst is lent in advance', async () => {
  // A packet in ten minutes: none is earned while this runs.
  await filter.replace(parseRules('limit 1/s burst 5 in any').map((rule) => ({ ...rule, rate: 1 / 600 })));
  const drops: Drop[] = [];
  const reading = (async () => {
    for await (const drop of filter.drops()) drops.push(drop);
  })();
  for (const last of [1, 2]) {
    const data = ethernet(ipv4({ ...from10, source: `10.0.0.${last}` }, udp(1, 53)));
    await filter.program('in').testRun({ data, repeat: 20 });
  }
  for (let tries = 0; drops.length < 30 && tries < 1000; tries++) await sleep(5);
  await filter.close();
  await reading;
  expect(drops).toHaveLength(30);
  expect(drops.filter(({ source }) => source === '10.0.0.1:1')).toHaveLength(15);
});

test('drops are told with their rule and both ends', async () => {
  await rules('deny in 2001:db8::/32 udp 53');
  const [drop] = await Promise.all([
    filter.drops().next(),
    filter.program('in').testRun({ data: ethernet(ipv6(from2001, udp(4000, 53))) }),
  ]);
  expect(drop.value).toMatchObject({
    rule: 'deny in 2001:db8::/32 udp 53',
    direction: 'in',
    protocol: 17,
    source: '[2001:db8::7]:4000',
    destination: '[fd00::1]:53',
    length: 14 + 40 + 8,
  });
});

/** Whether 7001 and 7002 take connections, and whether the server says that nobody has 7003. */
async function probes({ client }: TestRoute): Promise<unknown[]> {
  const host = addresses.server;
  const patience = emulated ? 10_000 : 2000;
  return [
    await client.do('connect', { host, port: 7001, ms: patience }),
    await client.do('connect', { host, port: 7002, ms: 200 }),
    await client.do('unreachable', { host, port: 7003, ms: patience }),
  ];
}

describe('between three machines', () => {
  const modes = [['native'], ['generic']] as const;
  testIf(hasTestNetworks, 'network interfaces of its own')(
    'native and generic XDP, and traffic control, judge real traffic',
    async () => {
      const route = await TestRoute.create();
      try {
        await route.server.do('listen', { ports: [7001, 7002] });
        const reaches = async (port: number): Promise<unknown> =>
          route.client.do('connect', { host: addresses.server, port, ms: 1000 });
        for (const [mode] of modes) {
          const own = await PacketFilter.load(object);
          try {
            await own.attach({ interface: 'toclient', netns: route.router.netns, mode });
            expect([await reaches(7001), await reaches(7002)]).toEqual([true, true]);
            await own.replace(parseRules('deny in any tcp 7002\ndeny in any udp 7001'));
            expect([await reaches(7001), await reaches(7002)]).toEqual([true, false]);
            await own.replace(parseRules(`deny out ${addresses.client} icmp`));
            const probe = { host: addresses.server, port: 7999, ms: 300 };
            expect(await route.client.do('unreachable', probe)).toBe(false);
            await own.replace([]);
            expect(await route.client.do('unreachable', { ...probe, ms: 5000 })).toBe(true);
          } finally {
            await own.close();
          }
        }
      } finally {
        await route.close();
      }
    },
  );

  testIf(hasTestNetworks, 'network interfaces of its own')(
    'no packet is judged by half a set of rules, in 1,000 reloads',
    async () => {
      const route = await TestRoute.create();
      try {
        // Both let all through to 7001 and nothing to 7002; the half of either would not.
        const filler = Array.from({ length: 100 }, (_, index) => `deny in 172.16.${index}.0/24`);
        const from = `in ${addresses.client}`;
        const [closed, open] = [
          [
            'deny in any',
            ...filler,
            `allow ${from} icmp`,
            `allow ${from} udp 7001`,
            `allow ${from} udp 7003`,
            `allow ${from} tcp 7001`,
          ],
          ['allow in any', ...filler, `deny ${from} udp 7002`, `deny ${from} tcp 7002`],
        ].map((lines) => parseRules(lines.join('\n')));
        if (closed === undefined || open === undefined) throw new Error('there are two sets');
        await filter.replace(closed);
        await filter.attach({ interface: 'toclient', netns: route.router.netns });
        await route.server.do('listen', { ports: [7001, 7002] });
        const host = addresses.server;
        await route.client.do('flood', { host, ports: [7001, 7002] });
        const rounds = emulated ? 5 : 500;
        for (let round = 0; round < rounds; round++) {
          await filter.replace(open);
          // Connections and the answers of ICMP, of which each takes several packets.
          const probe = round % 25 === 0 ? probes(route) : undefined;
          await filter.replace(closed);
          expect(await probe).toEqual(probe === undefined ? undefined : [true, false, true]);
        }
        const sent = (await route.client.do('stop')) as Record<string, number>;
        expect(sent['7001']).toBeGreaterThan(rounds);
        await sleep(100);
        expect(await route.server.do('received')).toEqual({ 7001: sent['7001'], 7002: 0 });
      } finally {
        await route.close();
      }
    },
  );
});

testIf(hasTestNetworks, 'network interfaces of its own')(
  'the command follows its file and its signals, and leaves nothing',
  async () => {
    const route = await TestRoute.create();
    const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-packet-filter-'));
    const file = join(folder, 'rules.conf');
    writeFileSync(file, 'deny in any tcp 7001\n');
    const command = runExample('packet-filter', '--interface', 'toclient', '--netns', route.router.netns, file);
    try {
      await route.server.do('listen', { ports: [7001] });
      const connect = async (): Promise<unknown> =>
        route.client.do('connect', { host: addresses.server, port: 7001, ms: 500 });
      await command.shows(/^1 rules in force, after [\d.]+ ms\nfiltering toclient$/m);
      expect(await connect()).toBe(false);
      await command.shows(/dropped in: 10\.1\.0\.2:\d+ > 10\.2\.0\.2:7001 protocol 6, \d+ bytes: deny in any tcp 7001/);
      writeFileSync(file, 'allow in 10.1.0.2\ndeny in somewhere\n');
      await command.shows(/the rules stay as they are: rules\.conf:2: network: "somewhere" is no IPv4 or IPv6 address/);
      writeFileSync(`${file}.new`, 'allow in 10.1.0.2\ndeny in any\n');
      renameSync(`${file}.new`, file);
      await command.shows(/^2 rules in force/m);
      expect(await connect()).toBe(true);
      command.signal('SIGUSR1');
      await command.shows(/'allow in 10\.1\.0\.2'/);
      command.signal('SIGINT');
      expect(await command.exit()).toBe(0);
      // The one that this test's own filter has.
      expect(objectsNamed('outgoing')).toBe(1);
    } finally {
      await command.end();
      await route.close();
      rmSync(folder, { recursive: true });
    }
  },
);
