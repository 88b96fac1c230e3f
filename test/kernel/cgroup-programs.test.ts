import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';

import type { CgroupProgram } from '../../lib/index.js';
import {
  CgroupDevice,
  CgroupSkb,
  CgroupSock,
  CgroupSockAddr,
  CgroupSockopt,
  CgroupSysctl,
  Ebpf,
  LinkType,
  type ProgramKind,
} from '../../lib/index.js';
import { TestCgroup, cgroupRoot } from '../helpers/cgroup.js';
import { sample } from '../helpers/samples.js';

let ebpf: Ebpf;
let cgroup: TestCgroup;

beforeEach(async () => {
  cgroup = new TestCgroup();
  ebpf = await Ebpf.load(sample('cgroup_programs'));
});

afterEach(async () => {
  await ebpf.close();
  cgroup.close();
});

async function attach(program: string, kind: ProgramKind<CgroupProgram>): Promise<void> {
  await ebpf.program(program, kind).attach({ cgroup: cgroup.path });
}

const variable = (name: string) => ebpf.variable(name).value;

/** Sends one datagram to itself. */
async function talk(): Promise<void> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const arrived = once(socket, 'message');
    socket.send('hello', socket.address().port, '127.0.0.1');
    await arrived;
  } finally {
    socket.close();
    await once(socket, 'close');
  }
}

describe('programs of cgroups', () => {
  test('see packets, both ways', async () => {
    await attach('egress', CgroupSkb);
    await attach('ingress', CgroupSkb);
    await talk();
    expect([variable('packets_out'), variable('packets_in')]).toEqual([0n, 0n]);
    await cgroup.within(talk);
    expect([variable('packets_out'), variable('packets_in')]).toEqual([1n, 1n]);
  });

  test('see sockets made, and forbid them', async () => {
    await attach('create', CgroupSock);
    await cgroup.within(talk);
    expect(variable('sockets')).toBeGreaterThan(0n);
    ebpf.variable('no_sockets').value = 1;
    await cgroup.within(async () => {
      const socket = createSocket('udp4');
      const failed = once(socket, 'error');
      socket.bind(0, '127.0.0.1');
      expect(await failed).toEqual([expect.objectContaining({ code: 'EPERM' })]);
      socket.close();
    });
    await talk();
  });

  test('change where connections go', async () => {
    const server = createServer((socket) => socket.end('reached'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ebpf.variable('from_port').value = 9;
    ebpf.variable('to_port').value = (server.address() as AddressInfo).port;
    await attach('connect4', CgroupSockAddr);
    await cgroup.within(async () => {
      const socket = connect({ port: 9, host: '127.0.0.1' });
      expect(String(await once(socket, 'data'))).toBe('reached');
      socket.destroy();
    });
    expect(variable('connects')).toBe(1n);
    server.close();
    await once(server, 'close');
  });

  test('forbid options of sockets', async () => {
    await attach('set_option', CgroupSockopt);
    // It counts where a socket was made, not who uses it.
    const socket = await cgroup.within(async () => {
      const made = createSocket('udp4');
      made.bind(0, '127.0.0.1');
      await once(made, 'listening');
      return made;
    });
    try {
      expect(() => socket.setTTL(64)).toThrow('EPERM');
      expect(variable('options')).toBe(1n);
    } finally {
      socket.close();
    }
  });

  test('forbid settings of the kernel', async () => {
    await attach('setting', CgroupSysctl);
    await cgroup.within(() => {
      expect(() => readFileSync('/proc/sys/kernel/ostype')).toThrow('EPERM');
    });
    expect(readFileSync('/proc/sys/kernel/ostype', 'utf8')).toBe('Linux\n');
    expect(variable('settings')).toBe(1n);
  });

  test('forbid devices', async () => {
    await attach('device', CgroupDevice);
    await cgroup.within(() => {
      expect(() => openSync('/dev/zero', 'r')).toThrow('EPERM');
      closeSync(openSync('/dev/null', 'r'));
    });
    closeSync(openSync('/dev/zero', 'r'));
    expect(variable('devices')).toBe(1n);
  });
});

describe('attaching to a cgroup', () => {
  test('gives a link, by path or by descriptor', async () => {
    const program = ebpf.program('egress', CgroupSkb);
    const byPath = await program.attach({ cgroup: cgroup.path });
    expect(byPath.target).toBe(`cgroup_skb/egress of cgroup ${cgroup.path}`);
    expect(byPath.info()).toMatchObject({ type: LinkType.CGROUP, programId: program.info().id });
    const fd = openSync(cgroup.path, 'r');
    await byPath.close();
    const links = [await program.attach({ cgroup: fd }), await program.attach({ cgroup: { fd } })];
    // The descriptor is needed for the call only.
    closeSync(fd);
    await cgroup.within(talk);
    expect(variable('packets_out')).toBe(2n);
    for (const link of links) await link.close();
    await cgroup.within(talk);
    expect(variable('packets_out')).toBe(2n);
  });

  test.each<[string, unknown, string]>([
    ['none', undefined, `program "egress" needs one: attach({ cgroup: '/sys/fs/cgroup/…' })`],
    ['what is not there', '/no/such/cgroup', 'ENOENT: no such file or directory'],
    ['no directory', '/proc/self/status', 'ENOTDIR'],
    ['another file system', '/tmp', '"/tmp" is not in a cgroup2 file system'],
    ['a number that is no descriptor', -3, 'must be a descriptor or an object that has one'],
    ['a descriptor that is not open', 0x7fff_fffe, 'its descriptor is not open'],
    ['a closed file', { fd: -1 }, 'it is closed'],
    ['something else', {}, 'must be a descriptor or an object that has one'],
  ])('is refused for %s', async (_, wrong, problem) => {
    const attached = ebpf.program('egress', CgroupSkb).attach({ cgroup: wrong as string });
    await expect(attached).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'cgroup',
        message: expect.stringContaining(problem) as string,
      }) as Error,
    );
  });

  test('is refused for a file of a cgroup', async () => {
    const fd = openSync(`${cgroupRoot()}/cgroup.procs`, 'r');
    const attached = ebpf.program('egress', CgroupSkb).attach({ cgroup: fd });
    await expect(attached).rejects.toThrow(`cgroup: descriptor ${fd} is a file of a cgroup, not its directory`);
    closeSync(fd);
  });

  test('is not done by the section alone', async () => {
    const { links, unattached } = await ebpf.attach();
    expect(links).toEqual([]);
    expect(new Set(unattached.map(({ reason }) => reason))).toEqual(new Set(['its section names no cgroup']));
  });
});
