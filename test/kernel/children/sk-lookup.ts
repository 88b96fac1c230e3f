// Run by socket-choice.test.ts in a network namespace of its own, whose connections it decides about.
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect, createServer } from 'node:net';

import { Ebpf, SkLookup, SockHash, SockMap, u32 } from '../../../lib/index.js';
import { sample } from '../../helpers/samples.js';

/** Who answers at port 7007: nobody listens there. */
async function ask(): Promise<string> {
  const socket = connect(7007, '127.0.0.1');
  const answer = Promise.race([
    once(socket, 'data').then(([data]) => String(data)),
    once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code ?? 'an error'),
  ]).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? 'an error');
  const text = await answer;
  socket.destroy();
  return text;
}

async function main(): Promise<void> {
  const server = createServer((socket) => socket.end('a server'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const name of ['by_index', 'by_port'] as const) {
    const ebpf = await Ebpf.load(sample('socket_choice'));
    const array = ebpf.map('sockets', SockMap);
    const hash = ebpf.map('sockets_by_port', SockHash.of(u32));
    const link = await ebpf.program(name, SkLookup).attach();
    array.set(0, server);
    hash.set(7007, server);
    const found = await ask();
    array.delete(0);
    hash.delete(7007);
    const missed = await ask();
    const lookups = Number(ebpf.variables['lookups']);
    array.set(0, server);
    hash.set(7007, server);
    await link.update(ebpf.program(name === 'by_index' ? 'by_port' : 'by_index', SkLookup));
    const updated = await ask();
    const here = link.info().networkNamespace === statSync('/proc/self/ns/net').ino;
    await link.close();
    const after = await ask();
    console.log(JSON.stringify({ program: name, found, missed, lookups, updated, here, after }));
    await ebpf.close();
  }
  server.close();
}

void main();
