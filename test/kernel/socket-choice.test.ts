import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import { Ebpf, ObjectSpec, ReuseportSockArray, SkLookup, SkReuseport, SocketLink } from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { portOf, sharingDatagramSocket, sharingServer } from '../helpers/sockets.js';
import { inOwnNetwork, hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

let ebpf: Ebpf;
const servers: Server[] = [];
const clients: Socket[] = [];

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('socket_choice'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers.splice(0)) server.close();
  await ebpf.close();
});

/** Two servers that share a port. */
async function twoServers(): Promise<[Server, Server]> {
  const first = await sharingServer(0);
  servers.push(first);
  const second = await sharingServer(portOf(first));
  servers.push(second);
  for (const server of [first, second]) server.on('connection', (socket: Socket) => socket.destroy());
  return [first, second];
}

/** The place of the server that gets the next connection. */
async function chosen(of: readonly Server[]): Promise<number> {
  const [first] = of;
  if (first === undefined) throw new Error('no server');
  const abort = new AbortController();
  const arrivals = of.map(async (server, index) => {
    await once(server, 'connection', { signal: abort.signal });
    return index;
  });
  clients.push(connect(portOf(first), '127.0.0.1').on('error', () => undefined));
  const place = await Promise.race(arrivals);
  abort.abort();
  await Promise.allSettled(arrivals);
  return place;
}

const selections = (): bigint => ebpf.variables['selections'] as bigint;

describe('SkReuseport', () => {
  test('chooses among servers that share a port', async () => {
    const both = await twoServers();
    const map = ebpf.map('servers', ReuseportSockArray);
    expect(map.length).toBe(4);
    expect(map.set(0, both[0])).toBe(true);
    expect(map.set(1, both[1])).toBe(true);
    const link = await ebpf.program('select', SkReuseport).attach({ socket: both[0] });
    expect(link).toBeInstanceOf(SocketLink);
    for (const wanted of [0, 1, 1, 0]) {
      ebpf.variables['wanted'] = wanted;
      expect(await chosen(both)).toBe(wanted);
    }
    expect(selections()).toBe(4n);
    await link.close();
    await chosen(both);
    expect(selections()).toBe(4n);
  });

  test('leaves the choice to the kernel where the place is empty', async () => {
    const both = await twoServers();
    const map = ebpf.map('servers', ReuseportSockArray);
    map.set(0, both[0]);
    map.set(1, both[1]);
    await ebpf.program('select', SkReuseport).attach({ socket: both[1] });
    ebpf.variables['wanted'] = 1;
    expect(await chosen(both)).toBe(1);
    expect(map.delete(1)).toBe(true);
    expect(map.delete(1)).toBe(false);
    expect([...map].map(([index]) => index)).toEqual([0]);
    await chosen(both);
    expect(selections()).toBe(2n);
    map.set(1, both[1]);
    expect(await chosen(both)).toBe(1);
  });

  test('stays attached when the program is closed, and is taken off through any of the sockets', async () => {
    const both = await twoServers();
    const map = ebpf.map('servers', ReuseportSockArray);
    map.set(0, both[0]);
    map.set(1, both[1]);
    const program = ebpf.program('select', SkReuseport);
    const link = await program.attach({ socket: both[0] });
    program.close();
    ebpf.variables['wanted'] = 1;
    expect(await chosen(both)).toBe(1);
    expect(SkReuseport.detach(both[1])).toBe(true);
    expect(SkReuseport.detach(both[0])).toBe(false);
    await chosen(both);
    expect(selections()).toBe(1n);
    await link.close();
  });

  test('chooses for packets too', async () => {
    const first = await sharingDatagramSocket(0);
    const second = await sharingDatagramSocket(portOf(first));
    const map = ebpf.map('servers', ReuseportSockArray);
    map.set(0, first);
    map.set(1, second);
    await ebpf.program('select', SkReuseport).attach({ socket: first });
    ebpf.variables['wanted'] = 1;
    const arrival = once(second, 'message') as Promise<[Buffer]>;
    first.send('to the second', portOf(first), '127.0.0.1');
    expect((await arrival)[0].toString()).toBe('to the second');
    first.close();
    second.close();
  });

  test('takes sockets that share their port only, each once', async () => {
    const [first] = await twoServers();
    const map = ebpf.map('servers', ReuseportSockArray);
    map.set(0, first);
    expect(() => map.set(1, first)).toThrow(expect.objectContaining({ code: 'ERR_EBPF_BUSY' }) as Error);
    const alone = createSocket('udp4');
    alone.bind(0, '127.0.0.1');
    await once(alone, 'listening');
    expect(() => map.set(1, alone)).toThrow(/^socket: map "servers" takes TCP sockets that listen and UDP sockets/u);
    expect(() => map.set(2, 0)).toThrow('socket: its descriptor is not of an open socket');
    alone.close();
  });

  testIf(kernelHasSymbol('reuseport_migrate_sock'), 'kernel 5.14')(
    'gives connections of a server that closes to another',
    async () => {
      const spec = ObjectSpec.parse(readFileSync(sample('socket_choice')), { name: 'socket_choice.bpf.o' });
      spec.program('select_and_migrate').autoload = true;
      const migrating = await Ebpf.load(spec);
      const both = await twoServers();
      const map = migrating.map('servers', ReuseportSockArray);
      map.set(0, both[0]);
      map.set(1, both[1]);
      await migrating.program('select_and_migrate', SkReuseport).attach({ socket: both[1] });
      const arrival = once(both[1], 'connection');
      clients.push(connect(portOf(both[0]), '127.0.0.1').on('error', () => undefined));
      // Node connects in the next tick; the kernel is done with it before Node sees that there is something to accept.
      await new Promise((resolve) => {
        process.nextTick(resolve);
      });
      migrating.variables['wanted'] = 1;
      both[0].close();
      await arrival;
      expect([migrating.variables['selections'], migrating.variables['migrations']]).toEqual([1n, 1n]);
      await migrating.close();
    },
  );
});

describe('SkLookup', () => {
  testIf(hasTestNetworks, 'network interfaces of its own')('answers for a port that nobody listens at', async () => {
    const child = join(__dirname, 'children', 'sk-lookup.ts');
    const { stdout, stderr } = await runChild(child, [], { wrapper: inOwnNetwork, timeoutMs: 120_000 });
    expect(stderr).toBe('');
    const [byIndex, byPort] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const outcome = {
      found: 'a server',
      missed: 'ECONNREFUSED',
      after: 'ECONNREFUSED',
      lookups: 2,
      here: true,
      updated: 'a server',
    };
    expect(byIndex).toEqual({ program: 'by_index', ...outcome });
    expect(byPort).toEqual({ program: 'by_port', ...outcome });
  });

  testIf(hasTestNetworks, 'network interfaces of its own')(
    'is attached to another network namespace, and told there',
    async () => {
      const network = await TestNetwork.create();
      const other = await Ebpf.load(sample('socket_choice'), { variables: { port: 9 } });
      try {
        const { path: netns } = network;
        const link = await other.program('by_index', SkLookup).attach({ netns });
        expect(link.target).toBe(`sk_lookup ${netns}`);
        expect(await SkLookup.query({ netns })).toEqual([{ programId: other.program('by_index').info().id }]);
        expect(await SkLookup.query()).toEqual([]);
        await network.send(1, '10.99.0.1');
        await until(() => other.variables['lookups'] === 1n);
        await link.close();
        expect(await SkLookup.query({ netns })).toEqual([]);
      } finally {
        await other.close();
        await network.close();
      }
    },
  );

  test('says where it would be attached', async () => {
    const { unattached } = await ebpf.attach();
    expect(unattached.find(({ program }) => program.name === 'by_index')?.reason).toBe(
      'it would decide about every connection of a network namespace; attach({ netns }) says of which',
    );
    const program = ebpf.program('by_index', SkLookup);
    await expect(program.attach({ netns: '/run/netns/none' })).rejects.toMatchObject({ path: 'netns' });
    await expect(program.attach({ netns: '/proc/self/status' })).rejects.toMatchObject({
      message: 'netns: /proc/self/status is no network namespace',
    });
  });
});
