import { ProgramType } from '../../../lib/abi/index.js';
import { contextTypeOf, decodeContext, encodeArguments, encodeContext } from '../../../lib/programs/run-context.js';
import { decodeFlowKeys, type ContextType } from '../../../lib/programs/run-contexts.js';

function context(type: ProgramType): ContextType {
  const found = contextTypeOf(type);
  if (found === undefined) throw new Error(`programs of type ${type} have a context`);
  return found;
}

/** As include/uapi/linux/bpf.h lays them out. */
test.each<[string, ProgramType, number]>([
  ['__sk_buff', ProgramType.SCHED_CLS, 192],
  ['xdp_md', ProgramType.XDP, 24],
  ['bpf_sk_lookup', ProgramType.SK_LOOKUP, 72],
  ['bpf_flow_keys', ProgramType.FLOW_DISSECTOR, 56],
])('struct %s has its size', (name, type, size) => {
  expect(context(type).codec).toMatchObject({ typeName: `struct ${name}`, size });
});

test('types of one struct share it, others have none', () => {
  expect(context(ProgramType.LWT_XMIT).codec.typeName).toBe('struct __sk_buff');
  expect(contextTypeOf(ProgramType.KPROBE)).toBeUndefined();
});

test('members are put where they belong, the rest is 0', () => {
  const bytes = encodeContext(context(ProgramType.SCHED_CLS), { mark: 7, cb: [1, 2, 3, 4, 5], hwtstamp: 9 });
  const view = new DataView(bytes.buffer);
  const words = new Uint32Array(bytes.buffer);
  expect([words[2], ...words.slice(12, 17)]).toEqual([7, 1, 2, 3, 4, 5]);
  expect(view.getBigUint64(184, new Uint8Array(Uint16Array.of(1).buffer)[0] === 1)).toBe(9n);
  expect(words.reduce((sum, word) => sum + word, 0)).toBe(7 + 15 + 9);
});

test('ports and addresses are in the order of the network', () => {
  const bytes = encodeContext(context(ProgramType.SK_LOOKUP), { remote_port: 0x1234, local_ip4: [10, 0, 0, 1] });
  expect([...bytes.subarray(36, 44)]).toEqual([0x12, 0x34, 0, 0, 10, 0, 0, 1]);
});

test('what is read has the members that come back', () => {
  const type = context(ProgramType.XDP);
  const bytes = encodeContext(type, { data: 4, data_end: 68, rx_queue_index: 1, ingress_ifindex: 2 });
  expect(decodeContext(type, bytes)).toEqual({ data: 4, data_end: 68, ingress_ifindex: 2, rx_queue_index: 1 });
  // That of an older kernel, or of a newer one.
  expect(decodeContext(type, bytes.subarray(0, 8))).toMatchObject({ data_end: 68, ingress_ifindex: 0 });
  expect(decodeContext(type, Uint8Array.of(...bytes, 1, 2, 3))).toMatchObject({ ingress_ifindex: 2 });
  expect(decodeContext(type, new Uint8Array(0))).toBeUndefined();
  expect(decodeContext(context(ProgramType.NETFILTER), Uint8Array.of(1, 2))).toBeUndefined();
});

test.each<[ProgramType, object, object]>([
  [ProgramType.SCHED_CLS, { marc: 1 }, { code: 'ERR_EBPF_NOT_FOUND', suggestions: ['mark'] }],
  [ProgramType.SCHED_CLS, { len: 1 }, { code: 'ERR_EBPF_INVALID_VALUE', path: 'context.len' }],
  [ProgramType.SCHED_CLS, { remote_ip6: [0, 0, 0, 1] }, { path: 'context.remote_ip6' }],
  [ProgramType.SCHED_CLS, { sk: 1n }, { path: 'context.sk' }],
  [ProgramType.SCHED_CLS, { mark: '1' }, { path: 'context.mark' }],
  [ProgramType.SCHED_CLS, { mark: 2 ** 32 }, { path: 'context.mark' }],
  [ProgramType.SCHED_CLS, JSON.parse('{"__proto__": 1}') as object, { code: 'ERR_EBPF_NOT_FOUND' }],
  [ProgramType.XDP, { data_meta: 4 }, { path: 'context.data_meta' }],
  [ProgramType.SK_LOOKUP, { cookie: 1n }, { path: 'context.cookie' }],
  [ProgramType.SK_LOOKUP, { remote_ip4: [1, 2] }, { path: 'context.remote_ip4' }],
  [ProgramType.NETFILTER, { hook: 'toString' }, { path: 'context.hook' }],
  [ProgramType.NETFILTER, { pf: 2 }, { path: 'context.pf' }],
])('programs of type %p refuse %p', (type, given, problem) => {
  expect(() => encodeContext(context(type), given)).toThrow(expect.objectContaining(problem) as Error);
});

test('words of netfilter', () => {
  expect([...encodeContext(context(ProgramType.NETFILTER), { hook: 'forward', pf: 'ipv6' })]).toEqual([2, 10]);
});

test('arguments are 64 bits each, negative ones too', () => {
  expect([...new BigUint64Array(encodeArguments([1, -1, 2n ** 64n - 1n]).buffer)]).toEqual([
    1n,
    2n ** 64n - 1n,
    2n ** 64n - 1n,
  ]);
  expect(encodeArguments([])).toHaveLength(0);
});

test('flow keys', () => {
  const bytes = new Uint8Array(56);
  bytes.set([0x12, 0x34, 0, 80], 12);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], 16);
  bytes.set([0, 1, 2, 3], 52);
  const keys = decodeFlowKeys(bytes);
  expect(keys).toMatchObject({ sport: 0x1234, dport: 80, flow_label: 0x10203 });
  expect([[...keys.ipv4_src], [...keys.ipv4_dst]]).toEqual([
    [10, 0, 0, 1],
    [10, 0, 0, 2],
  ]);
  expect(keys.ipv6_dst).toEqual(new Uint8Array(16));
});
