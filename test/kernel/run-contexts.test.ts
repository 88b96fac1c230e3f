// Contexts of test runs by the names of their members.
import { createServer } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import {
  CgroupSkb,
  Ebpf,
  FlowDissector,
  Netfilter,
  ObjectSpec,
  SkLookup,
  SockMap,
  SyscallProgram,
  Tc,
  Xdp,
  ipText,
  listInterfaces,
} from '../../lib/index.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { packet } from '../helpers/packets.js';
import { contextsUnlikeKernel } from '../helpers/run-contexts.js';
import { hasKernelBtf, kernelHasStruct } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function load(name: string, ...wanted: readonly string[]): Promise<Ebpf> {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample(name))), { name });
  for (const program of wanted) spec.program(program).autoload = true;
  const ebpf = await Ebpf.load(spec);
  closing.push(async () => ebpf.close());
  return ebpf;
}

describe('packets', () => {
  test('members are set and come back', async () => {
    const program = (await load('tc')).program('rewrite', Tc);
    const { context, contextOut } = await program.testRun({
      data: packet(),
      context: { mark: 41, priority: 5, ifindex: 1, cb: [0, 1, 2, 3, 4], tstamp: 6, wire_len: 128, gso_segs: 2 },
    });
    expect(context).toMatchObject({ mark: 42, priority: 5, ifindex: 1, wire_len: 128, gso_segs: 2, data_end: 0 });
    expect(context.cb).toEqual([64, 1, 2, 3, 4]);
    expect(context.tstamp).toBe(6n);
    expect(contextOut.byteLength).toBeGreaterThanOrEqual(176);
    expect('len' in context).toBe(false);
  });

  test('without a context one comes back, as of one that was given as bytes', async () => {
    const program = (await load('tc')).program('rewrite', Tc);
    expect((await program.testRun({ data: packet() })).context.mark).toBe(1);
    const bytes = new Uint8Array(192);
    new Uint32Array(bytes.buffer)[2] = 7;
    expect((await program.testRun({ data: packet(), context: bytes })).context.mark).toBe(8);
    const skb = (await load('cgroup_programs')).program('egress', CgroupSkb);
    expect((await skb.testRun({ data: packet(), context: { mark: 9 } })).context.mark).toBe(9);
  });

  test('what the kernel does not take is refused by its name', async () => {
    const program = (await load('tc')).program('rewrite', Tc);
    const run = async (context: object): Promise<unknown> => program.testRun({ data: packet(), context });
    await expect(run({ len: 5 })).rejects.toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      path: 'context.len',
      message: expect.stringContaining('must be 0: of struct __sk_buff the kernel takes mark, priority') as string,
    });
    await expect(run({ marc: 5 })).rejects.toMatchObject({ code: 'ERR_EBPF_NOT_FOUND', suggestions: ['mark'] });
    await expect(run({ mark: -1 })).rejects.toMatchObject({ path: 'context.mark' });
    await expect(run({ cb: [1] })).rejects.toMatchObject({ path: 'context.cb' });
    await expect(run({ wire_len: 3 })).rejects.toMatchObject({
      path: 'context',
      message: expect.stringContaining('wire_len must be at least the length of the packet') as string,
      cause: { errnoName: 'EINVAL' },
    });
    await expect(run({ ifindex: 0x7fff_ffff })).rejects.toMatchObject({ errnoName: 'ENODEV' });
    await expect(run({ len: 0, sk: 0n, remote_ip6: [0, 0, 0, 0], mark: 1 })).resolves.toMatchObject({
      context: { mark: 2 },
    });
  });
});

testIf(hasTestNetworks && kernelHasSymbol('bpf_timer_init'), 'contexts of XDP')(
  'XDP: an interface, and metadata',
  async () => {
    const ebpf = await load('xdp');
    const network = await TestNetwork.create();
    closing.push(async () => network.close());
    const netns = network.path;
    const right = (await listInterfaces({ netns })).find(({ name }) => name === 'right')?.index ?? 0;
    const link = await ebpf.program('drop_all', Xdp).attach({ interface: right, netns, mode: 'native' });
    const program = ebpf.program('decide', Xdp);
    const run = await program.testRun({ data: packet(), context: { ingress_ifindex: right }, netns });
    expect(run.context).toEqual({ data: 0, data_end: 64, ingress_ifindex: right, rx_queue_index: 0 });
    expect(ebpf.variables['ingress_index']).toBe(right);
    const cut = await ebpf.program('cut_front', Xdp).testRun({ data: packet(), context: {} });
    expect(cut.context).toMatchObject({ data_end: 62 });
    const data = Uint8Array.of(1, 2, 3, 4, ...packet());
    expect((await program.testRun({ data, context: { data: 4 } })).context).toMatchObject({ data: 4, data_end: 68 });
    expect((await program.testRun({ data: packet() })).context).toBeUndefined();
    await expect(program.testRun({ data: packet(), context: { data: 3 } })).rejects.toMatchObject({ path: 'context' });
    await expect(program.testRun({ data: packet(), context: { egress_ifindex: 1 } as object })).rejects.toMatchObject({
      path: 'context.egress_ifindex',
    });
    await link.close();
  },
);

test('XDP: older kernels take no context, and the error says so', async () => {
  const program = (await load('xdp')).program('decide', Xdp);
  const run = program.testRun({ data: packet(), context: {} });
  if (kernelHasSymbol('bpf_timer_init')) await expect(run).resolves.toMatchObject({ context: { data_end: 64 } });
  else await expect(run).rejects.toThrow('contexts of XDP are taken from Linux 5.15 on');
});

test('a flow dissector: what it found out', async () => {
  const program = (await load('flow_dissector')).program('dissect', FlowDissector);
  const { flowKeys, context, dataOut } = await program.testRun({ data: packet(), context: { flags: 1 } });
  expect(flowKeys).toMatchObject({ n_proto: 0x0800, addr_proto: 0x0800, ip_proto: 17, sport: 1, dport: 2, nhoff: 14 });
  expect([ipText(flowKeys.ipv4_src), ipText(flowKeys.ipv4_dst)]).toEqual(['10.0.0.1', '10.0.0.2']);
  expect(flowKeys.ipv6_src.subarray(0, 8)).toEqual(Uint8Array.of(10, 0, 0, 1, 10, 0, 0, 2));
  expect(flowKeys.flags).toBe(1);
  expect(dataOut.byteLength).toBe(56);
  expect(context).toEqual({ flags: 1 });
  await expect(program.testRun({ data: packet(), context: { sport: 1 } as object })).rejects.toMatchObject({
    path: 'context.sport',
  });
});

testIf(kernelHasSymbol('bpf_prog_test_run_sk_lookup'), 'kernel 5.13')(
  'sk_lookup: the socket that it chose',
  async () => {
    const ebpf = await load('socket_choice');
    const program = ebpf.program('by_index', SkLookup);
    const connection = { family: 2, protocol: 6, remote_ip4: [10, 0, 0, 1], remote_port: 4000, local_port: 7007 };
    const none = await program.testRun({ context: connection });
    expect(none).toMatchObject({
      returnValue: 1,
      context: { ...connection, cookie: 0n, remote_ip4: Uint8Array.of(10, 0, 0, 1) },
    });
    expect(ebpf.variables['lookups']).toBe(1n);
    const server = createServer().listen(0, '127.0.0.1');
    closing.push(() => server.close());
    await once(server, 'listening');
    ebpf.map('sockets', SockMap).set(0, server);
    const found = await program.testRun({ context: connection });
    expect(found.context.cookie).toBeGreaterThan(0n);
    expect((await program.testRun({ context: { ...connection, local_port: 1 } })).context.cookie).toBe(0n);
    await expect(program.testRun({ context: { ...connection, family: 1 } })).rejects.toMatchObject({
      errnoName: 'EAFNOSUPPORT',
    });
    await expect(program.testRun({ context: { ...connection, cookie: 1n } as object })).rejects.toMatchObject({
      path: 'context.cookie',
    });
  },
);

testIf(hasTestNetworks && kernelHasSymbol('bpf_nf_link_attach'), 'links of netfilter')(
  'netfilter: a hook',
  async () => {
    const ebpf = await load('netfilter');
    const program = ebpf.program('decide', Netfilter);
    const run = await program.testRun({ data: packet(), context: { hook: 'input', pf: 'ipv4' } });
    expect([run.returnValue, run.context]).toEqual([1, undefined]);
    expect([ebpf.variables['hook'], ebpf.variables['family'], ebpf.variables['length']]).toEqual([1, 2, 50]);
    await program.testRun({ data: packet().subarray(14) });
    expect([ebpf.variables['hook'], ebpf.variables['family'], ebpf.variables['length']]).toEqual([3, 2, 50]);
    await expect(
      program.testRun({ data: packet(), context: { hook: 'in' as never, pf: 'ipv4' } }),
    ).rejects.toMatchObject({
      path: 'context.hook',
      message: expect.stringContaining("must be 'prerouting', 'input'") as string,
    });
    await expect(program.testRun({ data: packet(), context: { hook: 'input', pf: 'ipv6' } })).rejects.toMatchObject({
      path: 'context',
    });
  },
);

testIf(kernelHasSymbol('bpf_prog_test_run_syscall'), 'kernel 5.14')(
  'syscall programs: the struct that they take',
  async () => {
    const program = (await load('other_programs', 'add')).program('add', SyscallProgram);
    const context = { first: 1, second: 2n, sum: 0 };
    const sum = { first: 1n, second: 2n, sum: 3n };
    expect(await program.run(context)).toEqual({ returnValue: 7, context: sum });
    expect(await program.testRun({ context })).toMatchObject({ returnValue: 7, context: sum });
    await expect(program.run({ first: 1 })).rejects.toMatchObject({ path: 'context.second' });
  },
);

testIf(
  hasJit && kernelHasStruct('bpf_struct_ops_link') && kernelHasStruct('bpf_struct_ops_bpf_dummy_ops'),
  'links of struct_ops',
)('programs of struct_ops: their arguments', async () => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('struct_ops'))));
  for (const each of spec.maps.values()) each.autoCreate = each.name === 'dummy';
  await using ebpf = await Ebpf.load(spec);
  const run = await ebpf.program('answer').testRun({ context: [0n] });
  expect([run.returnValue, run.context]).toEqual([42, undefined]);
});

testIf(hasKernelBtf, 'kernel BTF')('the members are where this kernel has them', () => {
  expect(contextsUnlikeKernel()).toEqual([]);
});
