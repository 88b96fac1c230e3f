// Each place at which a cgroup's programs see what is done with a socket: done in a cgroup of its own.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CgroupProgram, Ebpf, ObjectSpec, type Program } from '../../lib/index.js';
import { hasFixture, withFixture } from '../helpers/c-fixture.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

let ebpf: Ebpf;
let cgroup: TestCgroup;

beforeEach(() => {
  cgroup = new TestCgroup('sockets');
});

afterEach(async () => {
  await ebpf.close();
  cgroup.close();
});

async function load(...more: readonly string[]): Promise<void> {
  const spec = ObjectSpec.parse(readFileSync(sample('cgroup_sockets')));
  for (const name of more) spec.program(name).autoload = true;
  ebpf = await Ebpf.load(spec);
}

async function attach(program: Program): Promise<void> {
  if (!(program instanceof CgroupProgram)) throw new Error(`${program.name} is no program of cgroups`);
  await program.attach({ cgroup: cgroup.path });
}

const count = (program: string): bigint => ebpf.variables[`${program}_count`] as bigint;

/** Binds, sends a datagram to itself, receives it and asks for an option. */
async function datagram(family: 'udp4' | 'udp6', address: string): Promise<void> {
  const socket = createSocket(family);
  socket.bind(0, address);
  await once(socket, 'listening');
  const arrived = once(socket, 'message');
  socket.send('hello', socket.address().port, address);
  await arrived;
  socket.getRecvBufferSize();
  socket.close();
  await once(socket, 'close');
}

/** Connects, and asks for the addresses of both ends. */
async function connection(
  where: { readonly port: number; readonly host: string } | { readonly path: string },
): Promise<void> {
  const socket: Socket = connect(where);
  await once(socket, 'connect');
  expect('path' in where || (socket.remotePort === where.port && socket.localPort !== undefined)).toBe(true);
  socket.destroy();
  await once(socket, 'close');
}

test('programs run at every one of sockets of IPv4 and IPv6', async () => {
  await load();
  for (const program of ebpf.programs) await attach(program);
  for (const [family, address] of [
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const) {
    const server = createServer((socket) => socket.destroy()).listen(0, address);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await cgroup.within(async () => {
      await datagram(family, address);
      await connection({ port, host: address });
    });
    server.close();
    await once(server, 'close');
  }
  const silent = ebpf.programs.map(({ name }) => name).filter((name) => count(name) === 0n);
  expect(silent).toEqual([]);
  const before = count('bind4');
  await datagram('udp4', '127.0.0.1');
  expect(count('bind4')).toBe(before);
});

const hasUnix = kernelHasSymbol('bpf_sock_addr_set_sun_path');

testIf(hasUnix, 'kernel 6.7')('of UNIX sockets, at connections', async () => {
  await load('connect_unix');
  await attach(ebpf.program('connect_unix'));
  await withFolder(async (folder) => {
    const path = join(folder, 'server');
    const server = createServer((socket) => socket.destroy()).listen(path);
    await once(server, 'listening');
    await cgroup.within(async () => connection({ path }));
    server.close();
    await once(server, 'close');
  });
  expect(count('connect_unix')).toBe(1n);
});

// Node has no datagrams of UNIX sockets, and does not ask for their names: a program in C does.
testIf(hasUnix && hasFixture('unix-datagrams'), 'programs at UNIX sockets')(
  'of UNIX sockets, at datagrams and where names are asked for',
  async () => {
    const places = ['connect_unix', 'sendmsg_unix', 'recvmsg_unix', 'getpeername_unix', 'getsockname_unix'];
    await load(...places);
    for (const name of places) await attach(ebpf.program(name));
    await withFolder(async (folder) =>
      withFixture('unix-datagrams', async (program) =>
        cgroup.within(() => {
          const { status, stderr } = spawnSync(program, [folder], { encoding: 'utf8' });
          expect([status, stderr]).toEqual([0, '']);
        }),
      ),
    );
    expect(places.map((name) => [name, count(name)])).toEqual(places.map((name) => [name, 1n]));
  },
);

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-unix-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
