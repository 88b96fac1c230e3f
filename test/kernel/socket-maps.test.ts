import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';

import {
  AttachType,
  Ebpf,
  features,
  LinkType,
  SkMsg,
  SkSkb,
  SockHash,
  SockMap,
  SockOps,
  SocketMapLink,
  u32,
  type SkSkbRole,
  type SocketLike,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { enumeratorsOf, hasKernelBtf } from '../helpers/kernel-types.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

/** Verdicts without a parser. */
const hasVerdicts = hasKernelBtf && enumeratorsOf('bpf_attach_type', 'BPF_').has('SK_SKB_VERDICT');

/** A connection over 127.0.0.1. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

let ebpf: Ebpf;
let listener: Server;
const open: Socket[] = [];

async function pair(): Promise<Pair> {
  const { port } = listener.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  const [server] = (await once(listener, 'connection')) as [Socket];
  if (client.connecting) await once(client, 'connect');
  for (const socket of [client, server]) {
    socket.setNoDelay(true).on('error', () => undefined);
    open.push(socket);
  }
  return { client, server };
}

async function received(socket: Socket): Promise<string> {
  const [data] = (await once(socket, 'data')) as [Buffer];
  return data.toString();
}

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('socket_maps'));
  listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
});

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await ebpf.close();
  listener.close();
});

const sockets = (): SockMap => ebpf.map('sockets', SockMap);

describe('SockMap', () => {
  test('holds sockets, and tells their cookies', async () => {
    const { client, server } = await pair();
    const map = sockets();
    expect(map.length).toBe(4);
    expect(map.get(0)).toBeUndefined();
    expect(map.has(0)).toBe(false);
    expect(map.set(0, server)).toBe(true);
    expect(map.set(3, client)).toBe(true);
    const [first, second] = [map.get(0), map.get(3)];
    expect(typeof first).toBe('bigint');
    expect(first).not.toBe(second);
    expect([...map]).toEqual([
      [0, first],
      [3, second],
    ]);
    expect(map.set(0, client, { ifAbsent: true })).toBe(false);
    expect(map.set(1, client, { ifPresent: true })).toBe(false);
    expect(map.set(0, client)).toBe(true);
    expect(map.get(0)).toBe(second);
    expect(map.delete(0)).toBe(true);
    expect(map.delete(0)).toBe(false);
    expect(map.has(0)).toBe(false);
    expect(map.set(0, listener)).toBe(true);
  });

  test('loses a socket that is closed', async () => {
    const { client, server } = await pair();
    const map = sockets();
    map.set(2, server);
    server.destroy();
    client.destroy();
    await until(() => !map.has(2));
    expect([...map]).toEqual([]);
  });

  test('refuses what it cannot hold', async () => {
    const map = sockets();
    const { server } = await pair();
    const failures: [number, SocketLike, string][] = [
      [4, server, 'index: 4 is past the end of map "sockets", whose length is 4'],
      [-1, server, 'index: must be a whole number from 0, not -1'],
      [0, 999_999, 'socket: its descriptor is not of an open socket'],
      [0, 0, 'socket: its descriptor is not of an open socket'],
      [0, {}, 'socket: {} has no open socket; listen, bind or connect first, or give its file descriptor'],
    ];
    for (const [index, socket, message] of failures) {
      expect(() => map.set(index, socket)).toThrow(expect.objectContaining({ name: 'UsageError', message }) as Error);
    }
    expect(() => map.delete(4)).toThrow('index: 4 is past the end');
    expect([...map]).toEqual([]);
  });

  test('is made without an object, as is a hash', async () => {
    const { client, server } = await pair();
    using array = await SockMap.create({ name: 'array', maxEntries: 2 });
    using hash = await SockHash.create({ name: 'hash', key: u32, maxEntries: 2 });
    array.set(1, server);
    hash.set(7, client);
    expect([...array.entries()].map(([index]) => index)).toEqual([1]);
    expect([...hash.keys()]).toEqual([7]);
    expect(inspect(hash)).toBe("SockHash { 'hash', SOCKHASH, 4 → 8 bytes, at most 2 entries }");
    hash.set(8, server);
    expect(() => hash.set(9, listener)).toThrow(expect.objectContaining({ errnoName: 'E2BIG' }) as Error);
    expect(hash.delete(7)).toBe(true);
    expect(hash.delete(7)).toBe(false);
    expect(new Map(hash)).toEqual(new Map([[8, array.get(1)]]));
  });

  test('values of four bytes tell nothing', async () => {
    const { server } = await pair();
    const spec = ebpf.spec.clone();
    for (const name of ['sockets', 'sockets_by_port']) {
      const map = spec.map(name);
      map.valueSize = 4;
      map.valueType = 0;
    }
    const other = await Ebpf.load(spec);
    const map = other.map('sockets', SockMap);
    expect(map.set(0, server)).toBe(true);
    expect(() => map.get(0)).toThrow(/its values have 4 bytes, of which the kernel gives nothing back/u);
    expect(() => [...map]).toThrow(/its values have 4 bytes/u);
    expect(map.delete(0)).toBe(true);
    await other.close();
  });
});

describe('SkMsg', () => {
  test('puts what one socket sends into another, while it is attached', async () => {
    const [from, to] = [await pair(), await pair()];
    const map = sockets();
    const link = await ebpf.program('redirect_sent', SkMsg).attach({ map });
    expect(link).toBeInstanceOf(SocketMapLink);
    expect(link.target).toBe('sk_msg map "sockets"');
    map.set(0, from.server);
    map.set(1, to.server);
    const arrival = received(to.client);
    from.server.write('to the other');
    expect(await arrival).toBe('to the other');
    expect(ebpf.variables['messages']).toBe(1n);
    await link.close();
    // It has the program until it leaves the map.
    const later = received(to.client);
    from.server.write('to the other');
    expect(await later).toBe('to the other');
    expect(ebpf.variables['messages']).toBe(2n);
    map.delete(0);
    map.set(0, from.server);
    const usual = received(from.client);
    from.server.write('to the peer');
    expect(await usual).toBe('to the peer');
    expect(ebpf.variables['messages']).toBe(2n);
  });

  test('is told, with what else a map has', async () => {
    const map = sockets();
    const query = async (): Promise<unknown[]> => [await SkMsg.query({ map }), await SkSkb.query({ map })];
    if (!kernelAtLeast(5, 18)) {
      await expect(query()).rejects.toMatchObject({ name: 'UnsupportedError', since: '5.18' });
      return;
    }
    expect(await query()).toEqual([[], []]);
    const link = await ebpf.program('redirect_sent', SkMsg).attach({ map });
    const parser = await ebpf.program('whole', SkSkb).attach({ map });
    const idOf = (name: string): number => ebpf.program(name).info().id;
    const [sent, received] = await query();
    expect(sent).toMatchObject([{ programId: idOf('redirect_sent') }]);
    expect(received).toMatchObject([{ programId: idOf('whole'), role: 'stream_parser' }]);
    await link.close();
    await parser.close();
    expect(await query()).toEqual([[], []]);
    await expect(SkMsg.query({ map: 5 as never })).rejects.toMatchObject({ path: 'map' });
    const other = ebpf.maps.find((each) => each.name === '.bss');
    if (other !== undefined) await expect(SkMsg.query({ map: other })).rejects.toThrow(/is no SockMap or SockHash$/);
  });

  test('is one in a map', async () => {
    const map = sockets();
    const link = await ebpf.program('redirect_sent', SkMsg).attach({ map });
    const second = ebpf.program('drop_sent', SkMsg).attach({ map });
    const isLink = (await features.linkType(LinkType.SOCKMAP)).supported;
    if (isLink) {
      await expect(second).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
      await link.update(ebpf.program('drop_sent'));
      expect(link.program).toBe('drop_sent');
      const { SK_MSG_VERDICT: attachType } = AttachType;
      expect(link.info()).toMatchObject({ type: LinkType.SOCKMAP, mapId: map.info().id, attachType });
      return;
    }
    await second;
    expect(() => link.info()).toThrow(
      'links of maps of sockets: this kernel attached the program to sk_msg map "sockets" without one',
    );
    await expect(link.update(ebpf.program('drop_sent'))).rejects.toMatchObject({ since: '6.10' });
    // The first is no longer attached: there is nothing to detach.
    await link.close();
    expect(ebpf.links).toHaveLength(1);
  });

  test('is detached after the objects of program and map were closed', async () => {
    const { client, server } = await pair();
    const map = sockets();
    using same = SockMap.open({ id: map.info().id });
    const program = ebpf.program('drop_sent', SkMsg);
    const link = await program.attach({ map });
    program.close();
    map.close();
    await link.close();
    same.set(0, server);
    const arrival = received(client);
    server.write('not dropped');
    expect(await arrival).toBe('not dropped');
    expect(ebpf.variables['messages']).toBe(0n);
  });

  test('refuses what is no map', async () => {
    const program = ebpf.program('redirect_sent', SkMsg);
    await expect(program.attach()).rejects.toMatchObject({ message: 'map: must be a loaded map, not undefined' });
    await expect(program.attach({ map: ebpf.program('whole') })).rejects.toMatchObject({ path: 'map' });
    const { unattached } = await ebpf.attach();
    expect(new Map(unattached.map(({ program: { name }, reason }) => [name, reason])).get('redirect_sent')).toBe(
      'its section names no map of sockets; give attach({ map })',
    );
  });
});

describe('SkSkb', () => {
  test('puts what one socket receives into another', async () => {
    const [from, to] = [await pair(), await pair()];
    const map = sockets();
    // Sockets take on what is attached as they come into the map.
    await ebpf.program('whole', SkSkb).attach({ map });
    const link = await ebpf.program('redirect_received', SkSkb).attach({ map });
    expect(link.target).toBe('sk_skb/stream_verdict map "sockets"');
    map.set(0, from.server);
    map.set(1, to.server);
    const arrival = received(to.client);
    from.client.write('passed on');
    expect(await arrival).toBe('passed on');
    expect(ebpf.variables['received']).toBe(1n);
  });

  testIf(hasVerdicts, 'kernel 5.13')('needs no parser', async () => {
    const [from, to] = [await pair(), await pair()];
    const map = sockets();
    await ebpf.program('redirect_unparsed', SkSkb).attach({ map });
    map.set(0, from.server);
    map.set(1, to.server);
    const arrival = received(to.client);
    from.client.write('passed on');
    expect(await arrival).toBe('passed on');
  });

  test('of a section that does not say what it is for is told when it is attached', async () => {
    const spec = ebpf.spec.clone();
    for (const program of spec.programs.values())
      program.autoload = ['whole', 'redirect_in_role'].includes(program.name);
    const other = await Ebpf.load(spec);
    const program = other.program('redirect_in_role', SkSkb);
    const map = other.map('sockets', SockMap);
    await expect(program.attach({ map })).rejects.toMatchObject({
      message:
        'role: section "?sk_skb" of program "redirect_in_role" does not say which; ' +
        "give one of 'stream_parser', 'stream_verdict', 'verdict'",
    });
    await expect(program.attach({ map, role: 'parser' as SkSkbRole })).rejects.toMatchObject({ path: 'role' });
    await other.program('whole', SkSkb).attach({ map });
    const link = await program.attach({ map, role: 'stream_verdict' });
    expect(link.target).toBe('sk_skb/stream_verdict map "sockets"');
    const [from, to] = [await pair(), await pair()];
    map.set(0, from.server);
    map.set(1, to.server);
    const arrival = received(to.client);
    from.client.write('passed on');
    expect(await arrival).toBe('passed on');
    expect(other.variables['received']).toBe(1n);
    await other.close();
  });
});

describe('SockOps', () => {
  test('puts connections of a cgroup into a map', async () => {
    const cgroup = new TestCgroup('sockops');
    try {
      const link = await ebpf.program('on_connection', SockOps).attach({ cgroup: cgroup.path });
      const { CGROUP_SOCK_OPS: attachType } = AttachType;
      expect(link.info()).toMatchObject({ type: LinkType.CGROUP, cgroupId: cgroup.id, attachType });
      const hash = ebpf.map('sockets_by_port', SockHash.of(u32));
      const { client } = await cgroup.within(pair);
      expect(ebpf.variables['connections']).toBe(1n);
      expect([...hash.keys()]).toEqual([client.localPort]);
      expect(hash.has(client.localPort ?? 0)).toBe(true);
      await pair();
      expect(ebpf.variables['connections']).toBe(1n);
      await link.close();
      await cgroup.within(pair);
      expect(ebpf.variables['connections']).toBe(1n);
    } finally {
      cgroup.close();
    }
  });
});
