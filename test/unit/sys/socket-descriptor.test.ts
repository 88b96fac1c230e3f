import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

import { socketDescriptor } from '../../../lib/sys/index.js';

test('knows the descriptors of sockets that are open, of Node and of others', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const datagram = createSocket('udp4');
  datagram.bind(0, '127.0.0.1');
  await once(datagram, 'listening');
  if (process.platform !== 'win32') {
    for (const socket of [server, datagram]) expect(socketDescriptor('socket', socket)).toBeGreaterThan(2);
  }
  expect(socketDescriptor('socket', 7)).toBe(7);
  expect(socketDescriptor('socket', { fd: 8 })).toBe(8);
  server.close();
  datagram.close();
});

test('refuses what has none, by the name that it was given', () => {
  const unbound = createSocket('udp4');
  for (const socket of [createServer(), unbound, {}, { fd: -1 }, { fd: '1' }, { _handle: null }, { _handle: {} }]) {
    expect(() => socketDescriptor('peer', socket)).toThrow(
      /^peer: .* has no open socket; listen, bind or connect first/su,
    );
  }
  for (const number of [-1, 1.5, NaN, 2 ** 31]) expect(() => socketDescriptor('peer', number)).toThrow(/^peer: /u);
  unbound.close();
});
