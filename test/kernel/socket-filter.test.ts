import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import { Ebpf, SocketFilter, SocketLink, type SocketLike } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';
import { portOf, sharingDatagramSocket } from '../helpers/sockets.js';
import { until } from '../helpers/until.js';

let ebpf: Ebpf;
let receiver: Socket;
let sender: Socket;
const open: Socket[] = [];

function keep(socket: Socket): Socket {
  open.push(socket);
  return socket;
}

async function bound(): Promise<Socket> {
  const socket = keep(createSocket('udp4'));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('socket_filter'));
  receiver = await bound();
  sender = keep(createSocket('udp4'));
});

afterEach(async () => {
  await ebpf.close();
  for (const socket of open.splice(0)) socket.close();
});

const filter = (name: string): SocketFilter => ebpf.program(name, SocketFilter);
const seen = (): bigint => ebpf.variables['seen'] as bigint;

async function send(text: string, to: Socket = receiver): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    sender.send(text, portOf(to), '127.0.0.1', (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** What arrives of a text. */
async function sent(text: string): Promise<string> {
  const arrival = once(receiver, 'message') as Promise<[Buffer]>;
  await send(text);
  const [message] = await arrival;
  return message.toString();
}

/** Of packets to a port that two share, where they arrive. */
async function arrivals(sockets: readonly Socket[], packets = 8): Promise<number[]> {
  const counts = sockets.map(() => 0);
  for (const [index, socket] of sockets.entries())
    socket.on('message', () => (counts[index] = (counts[index] ?? 0) + 1));
  const [first] = sockets;
  if (first === undefined) return [];
  for (let left = packets; left > 0; left--) await send('x', first);
  await until(() => counts.reduce((sum, count) => sum + count, 0) === packets);
  for (const socket of sockets) socket.removeAllListeners('message');
  return counts;
}

test('keeps what the program keeps, as long as the link is open', async () => {
  const link = await filter('keep_four').attach({ socket: receiver });
  expect(link).toBeInstanceOf(SocketLink);
  expect(ebpf.links).toEqual([link]);
  expect(link.survivesProcess).toBe(false);
  expect(await sent('abcdefgh')).toBe('abcd');
  expect(seen()).toBe(1n);
  await link.close();
  expect(await sent('abcdefgh')).toBe('abcdefgh');
  expect(seen()).toBe(1n);
  expect(ebpf.links).toEqual([]);
});

test('passes what the program passes', async () => {
  await filter('keep_all').attach({ socket: receiver });
  expect(await sent('abcdefgh')).toBe('abcdefgh');
  expect(seen()).toBe(1n);
});

test('drops what the program drops', async () => {
  const link = await filter('keep_none').attach({ socket: receiver });
  let arrived = 0;
  receiver.on('message', () => arrived++);
  await send('x');
  await until(() => seen() === 1n);
  await link.close();
  await send('y');
  await until(() => arrived === 1);
  await sleep(20);
  expect(arrived).toBe(1);
});

test('a second program takes the place of the first', async () => {
  await filter('keep_none').attach({ socket: receiver });
  await filter('keep_four').attach({ socket: receiver });
  expect(await sent('abcdefgh')).toBe('abcd');
});

test('stays when the program is closed', async () => {
  const program = filter('keep_four');
  const link = await program.attach({ socket: receiver });
  program.close();
  expect(await sent('abcdefgh')).toBe('abcd');
  await link.close();
  expect(await sent('abcdefgh')).toBe('abcdefgh');
});

test('is taken off by whoever has the socket', async () => {
  expect(SocketFilter.detach(receiver)).toBe(false);
  const link = await filter('keep_four').attach({ socket: receiver });
  expect(SocketFilter.detach(receiver)).toBe(true);
  expect(await sent('abcdefgh')).toBe('abcdefgh');
  await link.close();
});

test('leaves a socket alone that has got the descriptor of the one that was closed', async () => {
  const link = await filter('keep_none').attach({ socket: receiver });
  const descriptor = Number(/\d+$/u.exec(link.target)?.[0]);
  open.splice(open.indexOf(receiver), 1);
  receiver.close();
  await once(receiver, 'close');
  receiver = await bound();
  const second = await filter('keep_four').attach({ socket: receiver });
  expect(second.target).toBe(`filter socket ${descriptor}`);
  await link.close();
  expect(await sent('abcdefgh')).toBe('abcd');
});

test('takes descriptors, and objects that have one', async () => {
  const link = await filter('keep_four').attach({ socket: receiver });
  const descriptor = Number(/\d+$/u.exec(link.target)?.[0]);
  await link.close();
  for (const socket of [descriptor, { fd: descriptor }]) {
    const each = await filter('keep_four').attach({ socket });
    expect(await sent('abcdefgh')).toBe('abcd');
    await each.close();
  }
});

test('there is nothing to pin or to describe', async () => {
  const link = await filter('keep_all').attach({ socket: receiver });
  const error = expect.objectContaining({
    name: 'UnsupportedError',
    message: `links of sockets: the kernel attached the program to ${link.target} without one; there are none`,
  }) as Error;
  expect(() => link.info()).toThrow(error);
  expect(() => link.pin('/sys/fs/bpf/filter')).toThrow(error);
  expect(inspect(link)).toBe(`SocketLink { 'keep_all' at '${link.target}' }`);
});

test('refuses what is no open socket', async () => {
  const program = filter('keep_all');
  const unbound = createSocket('udp4');
  const failures: [SocketLike, string][] = [
    [unbound, 'socket: [Socket] has no open socket; listen, bind or connect first, or give its file descriptor'],
    [{}, 'socket: {} has no open socket; listen, bind or connect first, or give its file descriptor'],
    [-2, 'socket: must be a descriptor or an object that has one as `fd`, not -2'],
    [999_999, 'socket: descriptor 999999 is not of an open socket'],
    [0, 'socket: descriptor 0 is not of an open socket'],
  ];
  for (const [socket, message] of failures) {
    await expect(program.attach({ socket })).rejects.toMatchObject({ name: 'UsageError', message });
  }
  unbound.close();
  expect(program.links).toEqual([]);
});

test('chooses among sockets that share a port, until it is taken off', async () => {
  const first = keep(await sharingDatagramSocket(0));
  const second = keep(await sharingDatagramSocket(portOf(first)));
  const link = await filter('choose_first').attach({ socket: first, reuseport: true });
  expect(await arrivals([first, second])).toEqual([8, 0]);
  const other = await filter('choose_second').attach({ socket: second, reuseport: true });
  expect(await arrivals([first, second])).toEqual([0, 8]);
  expect(SocketFilter.detach(first)).toBe(false);
  await other.close();
  expect(SocketFilter.detach(first, { reuseport: true })).toBe(false);
  await link.close();
});

test('filter and choice are two places of a socket', async () => {
  const first = keep(await sharingDatagramSocket(0));
  const second = keep(await sharingDatagramSocket(portOf(first)));
  await filter('choose_second').attach({ socket: first, reuseport: true });
  await filter('keep_four').attach({ socket: second });
  const arrival = once(second, 'message') as Promise<[Buffer]>;
  await send('abcdefgh', first);
  expect((await arrival)[0].toString()).toBe('abcd');
  expect(SocketFilter.detach(second)).toBe(true);
  expect(await arrivals([first, second])).toEqual([0, 8]);
});

test('chooses only where ports are shared', async () => {
  await expect(filter('choose_first').attach({ socket: receiver, reuseport: true })).rejects.toMatchObject({
    name: 'KernelError',
    errnoName: 'EINVAL',
    message: expect.stringMatching(/the socket must share its port: bind or listen with SO_REUSEPORT/u) as string,
  });
});
