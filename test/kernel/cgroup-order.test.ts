import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import {
  AttachType,
  CgroupLink,
  CgroupSock,
  Ebpf,
  type AttachOrder,
  type CgroupAttachOptions,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const attachType = AttachType.CGROUP_INET_SOCK_CREATE;
// Some kernels of distributions have it earlier.
const mustHaveOrder = kernelAtLeast(6, 17);
const withOrder = testIf(mustHaveOrder, 'kernel 6.17');

let ebpf: Ebpf;
let cgroup: TestCgroup;

beforeEach(async () => {
  cgroup = new TestCgroup('order');
  ebpf = await Ebpf.load(sample('cgroup_order'));
});

afterEach(async () => {
  await ebpf.close();
  cgroup.close();
});

const idOf = (name: string): number => ebpf.program(name).info().id;

async function attach(name: string, options: Partial<CgroupAttachOptions> = {}): Promise<CgroupLink> {
  return ebpf.program(name, CgroupSock).attach({ cgroup: cgroup.path, ...options });
}

const query = async (cgroupPath = cgroup.path, effective = false) =>
  CgroupSock.query({ cgroup: cgroupPath, attachType, effective });
const names = async (effective = false): Promise<string[]> => {
  const named = new Map(ebpf.programs.map((program) => [program.info().id, program.name]));
  return (await query(cgroup.path, effective)).programs.map(({ programId }) => named.get(programId) ?? 'another');
};

/** The digits of the programs that ran as one socket was made. */
async function order(where = cgroup): Promise<string> {
  ebpf.variables['order'] = 0n;
  await where.within(async () => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.close();
    await once(socket, 'close');
  });
  return String(ebpf.variables['order']);
}

describe('programs of a cgroup', () => {
  test('run one after the other, and are listed', async () => {
    expect(await query()).toMatchObject({ programs: [], mode: undefined });
    await attach('first');
    const second = await attach('second');
    await attach('third');
    expect(await order()).toBe('123');
    expect(await names()).toEqual(['first', 'second', 'third']);
    expect(await query()).toMatchObject({ mode: 'multi', programs: [{ programId: idOf('first') }, {}, {}] });
    await second.update(ebpf.program('fourth', CgroupSock), { expected: ebpf.program('second', CgroupSock) });
    expect(await order()).toBe('143');
  });

  withOrder('run in the order that is asked for', async () => {
    const first = await attach('first');
    await attach('second', { order: 'first' });
    await attach('third', { order: { before: first } });
    await attach('fourth', { order: { after: { linkId: first.info().id } } });
    expect(await order()).toBe('2314');
    expect(await names()).toEqual(['second', 'third', 'first', 'fourth']);
    await first.close();
    const failures: [AttachOrder, object][] = [
      [{ after: ebpf.program('second', CgroupSock) }, { path: 'order' }],
      [{ before: { programId: idOf('second') } }, { path: 'order' }],
      [{ before: { linkId: 0x7fff_ffff } }, { errnoName: 'ENOENT' }],
      ['middle' as 'first', { path: 'order' }],
    ];
    for (const [wrong, error] of failures) await expect(attach('first', { order: wrong })).rejects.toMatchObject(error);
  });

  test.each([
    ['revision', { expectedRevision: 1_000_000 }, 'ERR_EBPF_BUSY'],
    ['order', { order: 'first' }, undefined],
    ['order before others', { preorder: true }, undefined],
  ] as const)('an expected %s is held, or refused where the kernel has none', async (_, options, code) => {
    await attach('first');
    const hasOrder = (await query()).revision > 0n;
    if (mustHaveOrder) expect(hasOrder).toBe(true);
    if (!hasOrder) {
      await expect(attach('second', options)).rejects.toMatchObject({ name: 'UnsupportedError', since: '6.17' });
      expect(await order()).toBe('1');
    } else if (code === undefined) {
      await attach('second', options);
      expect(await order()).toBe('21');
    } else {
      await expect(attach('second', options)).rejects.toMatchObject({ code });
      const { revision } = await query();
      await attach('second', { expectedRevision: revision });
      expect((await query()).revision).toBe(revision + 1n);
    }
  });

  test('run for the cgroups below', async () => {
    const below = join(cgroup.path, 'below');
    mkdirSync(below);
    try {
      await attach('first');
      await attach('second', { cgroup: below });
      const ids = [idOf('second'), idOf('first')];
      const [own, all] = [await query(below), await query(below, true)];
      expect(own.programs.map(({ programId }) => programId)).toEqual(ids.slice(0, 1));
      const ours = all.programs.map(({ programId }) => programId).filter((id) => ids.includes(id));
      expect(ours).toEqual(ids);
      expect(all.mode).toBeUndefined();
    } finally {
      for (const link of ebpf.links) await link.close();
      rmdirSync(below);
    }
  });
});

describe('a program that is alone in its cgroup', () => {
  for (const mode of ['override', 'exclusive'] as const) {
    test(`is attached in mode ${mode}, replaced and detached`, async () => {
      const link = await attach('first', { mode });
      expect(link).toBeInstanceOf(CgroupLink);
      expect(link.survivesProcess).toBe(true);
      expect(await order()).toBe('1');
      expect(await query()).toMatchObject({ mode, programs: [{ programId: idOf('first') }] });
      expect(() => link.info()).toThrow(new RegExp(`links of cgroups in mode '${mode}'`, 'u'));
      await expect(attach('second', { mode })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
      await expect(attach('second')).rejects.toMatchObject({
        code: 'ERR_EBPF_BUSY',
        message: expect.stringContaining(`is so in mode '${mode}', and all must be in the same`) as string,
      });
      await link.update(ebpf.program('third', CgroupSock));
      expect(await order()).toBe('3');
      await link.close();
      await link.close();
      expect(await order()).toBe('0');
    });
  }

  test('leaves what somebody else attached', async () => {
    const link = await attach('first', { mode: 'override' });
    // Gone with its cgroup.
    const below = join(cgroup.path, 'below');
    mkdirSync(below);
    const other = await attach('second', { mode: 'override', cgroup: below });
    rmdirSync(below);
    await other.close();
    await link.close();
    await attach('third');
    expect(await names()).toEqual(['third']);
  });

  test('is refused what only others have', async () => {
    await expect(attach('first', { mode: 'alone' as 'multi' })).rejects.toMatchObject({ path: 'mode' });
    await expect(attach('first', { mode: 'override', order: 'first' })).rejects.toMatchObject({ path: 'order' });
    const link = await attach('first', { mode: 'override' });
    const program = ebpf.program('second', CgroupSock);
    await expect(link.update(program, { expected: program })).rejects.toMatchObject({ path: 'expected' });
  });

  test('query says what is no attach type, or no cgroup', async () => {
    await expect(CgroupSock.query({ cgroup: cgroup.path, attachType: AttachType.XDP })).rejects.toMatchObject({
      errnoName: 'EINVAL',
    });
    await expect(query('/tmp')).rejects.toMatchObject({ path: 'cgroup' });
  });
});
