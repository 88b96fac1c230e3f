import { array, be16, be32, bytes, pointer, struct, u16, u32, u64, u8, type Codec } from '../codec/index.js';

import { netfilterFamilies, netfilterHooks, type NetfilterFamily, type NetfilterHook } from './netfilter-names.js';

/** What may be left out of a context is 0. 64-bit numbers may be numbers, addresses also what `ipOctets` gives. */
export type ContextInput<Context> = {
  readonly [Name in keyof Context]?:
    | (Context[Name] extends Uint8Array
        ? Uint8Array | readonly number[]
        : Context[Name] extends readonly (infer Element)[]
          ? readonly Element[]
          : Context[Name] extends bigint
            ? bigint | number
            : Context[Name])
    | undefined;
};

/** The members of `struct __sk_buff` that a test run takes and gives back. */
export interface SkBuffContext {
  readonly mark: number;
  readonly priority: number;
  /** The interface that it came in at. To set it: Linux 5.16. */
  readonly ingress_ifindex: number;
  /** The interface, of the network namespace of the run. Default: its loopback. */
  readonly ifindex: number;
  /** Five numbers that programs leave to each other. */
  readonly cb: readonly number[];
  /** How many bytes of the packet lie in one piece; 0: all. Linux 6.19. */
  readonly data_end: number;
  /** Nanoseconds. */
  readonly tstamp: bigint;
  /** Bytes on the wire, at least those of the packet; 0: as many. */
  readonly wire_len: number;
  readonly gso_segs: number;
  readonly gso_size: number;
  /** Nanoseconds. Linux 5.16. */
  readonly hwtstamp: bigint;
}

/** The members of `struct xdp_md` that a test run takes and gives back. Least kernel: 5.15. */
export interface XdpContext {
  /** How many bytes at the start of `data` are metadata, not the packet: a multiple of 4. */
  readonly data: number;
  /** Where in `data` the packet ends. Default: at its end. */
  readonly data_end: number;
  /** An interface that is ready for XDP, of the network namespace of the run. */
  readonly ingress_ifindex: number;
  readonly rx_queue_index: number;
}

/** The members of `struct bpf_sk_lookup` that a test run takes, but for `cookie`, and gives back. Least kernel: 5.13. */
export interface SkLookupContext {
  /** That of the socket which the program chose; 0n for none. */
  readonly cookie: bigint;
  /** AF_INET (2) or AF_INET6 (10). */
  readonly family: number;
  /** IPPROTO_TCP (6) or IPPROTO_UDP (17). */
  readonly protocol: number;
  /** Four bytes. */
  readonly remote_ip4: Uint8Array;
  /** Sixteen bytes. */
  readonly remote_ip6: Uint8Array;
  readonly remote_port: number;
  readonly local_ip4: Uint8Array;
  readonly local_ip6: Uint8Array;
  readonly local_port: number;
}

/** What a flow dissector is given beside the packet. */
export interface FlowDissectorContext {
  /** BPF_FLOW_DISSECTOR_F_*. */
  readonly flags: number;
}

/** `struct bpf_flow_keys`: what a flow dissector found out. The addresses of both kinds share their bytes. */
export interface FlowKeys {
  readonly nhoff: number;
  readonly thoff: number;
  /** ETH_P_IP or ETH_P_IPV6: which addresses are meant. */
  readonly addr_proto: number;
  readonly is_frag: number;
  readonly is_first_frag: number;
  readonly is_encap: number;
  readonly ip_proto: number;
  readonly n_proto: number;
  readonly sport: number;
  readonly dport: number;
  readonly ipv4_src: Uint8Array;
  readonly ipv4_dst: Uint8Array;
  readonly ipv6_src: Uint8Array;
  readonly ipv6_dst: Uint8Array;
  readonly flags: number;
  readonly flow_label: number;
}

/** At which hook a program of netfilter runs. */
export interface NetfilterContext {
  readonly hook: NetfilterHook;
  readonly pf: NetfilterFamily;
}

/** A context that programs of some type have. */
export interface ContextType {
  readonly codec: Codec<Record<string, unknown>, Readonly<Record<string, unknown>>>;
  /** The members that the kernel takes: it refuses others that are not 0. */
  readonly takes: readonly string[];
  /** Those that it gives back; none of types whose context does not come back. */
  readonly gives: readonly string[];
  /** What words mean, by the member. */
  readonly words?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the kernel may have against a context when it answers EINVAL. */
  readonly advice: string;
}

/** convert___skb_to_skb of net/bpf/test_run.c says which members are taken. */
export function skBuffContext(): ContextType {
  const codec = struct('__sk_buff', {
    ...{ len: u32, pkt_type: u32, mark: u32, queue_mapping: u32, protocol: u32, vlan_present: u32, vlan_tci: u32 },
    ...{ vlan_proto: u32, priority: u32, ingress_ifindex: u32, ifindex: u32, tc_index: u32, cb: array(u32, 5) },
    ...{ hash: u32, tc_classid: u32, data: u32, data_end: u32, napi_id: u32, family: u32, remote_ip4: u32 },
    ...{ local_ip4: u32, remote_ip6: array(u32, 4), local_ip6: array(u32, 4), remote_port: u32, local_port: u32 },
    ...{ data_meta: u32, flow_keys: pointer, tstamp: u64, wire_len: u32, gso_segs: u32, sk: pointer, gso_size: u32 },
    ...{ tstamp_type: u8, hwtstamp: u64 },
  });
  const members: readonly (keyof SkBuffContext)[] = [
    ...(['mark', 'priority', 'ingress_ifindex', 'ifindex', 'cb', 'data_end'] as const),
    ...(['tstamp', 'wire_len', 'gso_segs', 'gso_size', 'hwtstamp'] as const),
  ];
  const advice =
    'wire_len must be at least the length of the packet; ingress_ifindex and hwtstamp are taken from Linux 5.16 on, ' +
    'data_end from 6.19 on';
  return { codec, takes: members, gives: members, advice };
}

/** bpf_prog_test_run_xdp and xdp_convert_md_to_buff of net/bpf/test_run.c. */
export function xdpContext(): ContextType {
  const codec = struct('xdp_md', {
    ...{ data: u32, data_end: u32, data_meta: u32, ingress_ifindex: u32, rx_queue_index: u32, egress_ifindex: u32 },
  });
  const members: readonly (keyof XdpContext)[] = ['data', 'data_end', 'ingress_ifindex', 'rx_queue_index'];
  const advice =
    'contexts of XDP are taken from Linux 5.15 on; data must be a multiple of 4, at most 32 on older kernels, data_end the ' +
    'length of what is given as data, and ingress_ifindex an interface with an XDP program and a queue rx_queue_index';
  return { codec, takes: members, gives: members, advice };
}

/** bpf_prog_test_run_sk_lookup of net/bpf/test_run.c. */
export function skLookupContext(): ContextType {
  const codec = struct('bpf_sk_lookup', {
    ...{ cookie: u64, family: u32, protocol: u32, remote_ip4: bytes(4), remote_ip6: bytes(16), remote_port: be16 },
    ...{ padding: bytes(2), local_ip4: bytes(4), local_ip6: bytes(16), local_port: u32, ingress_ifindex: u32 },
  });
  const takes: readonly (keyof SkLookupContext)[] = [
    ...(['family', 'protocol', 'remote_ip4', 'remote_ip6', 'remote_port'] as const),
    ...(['local_ip4', 'local_ip6', 'local_port'] as const),
  ];
  return { codec, takes, gives: ['cookie', ...takes], advice: 'programs of sockets take no data' };
}

const flowKeys = (): Codec<Omit<FlowKeys, IpAddresses> & { addresses: Uint8Array }> =>
  struct('bpf_flow_keys', {
    ...{ nhoff: u16, thoff: u16, addr_proto: u16, is_frag: u8, is_first_frag: u8, is_encap: u8, ip_proto: u8 },
    ...{ n_proto: be16, sport: be16, dport: be16, addresses: bytes(32), flags: u32, flow_label: be32 },
  });

type IpAddresses = 'ipv4_src' | 'ipv4_dst' | 'ipv6_src' | 'ipv6_dst';

/** verify_user_bpf_flow_keys of net/bpf/test_run.c. */
export function flowDissectorContext(): ContextType {
  const takes: readonly (keyof FlowDissectorContext)[] = ['flags'];
  return { codec: flowKeys(), takes, gives: takes, advice: 'flags are BPF_FLOW_DISSECTOR_F_*' };
}

/** What the run of a flow dissector leaves in place of a packet. */
export function decodeFlowKeys(data: Uint8Array): FlowKeys {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const { addresses, ...keys } = flowKeys().decode(view, 0, data.byteLength);
  return {
    ...keys,
    ipv4_src: addresses.slice(0, 4),
    ipv4_dst: addresses.slice(4, 8),
    ipv6_src: addresses.slice(0, 16),
    ipv6_dst: addresses.slice(16),
  };
}

/** The first members of `struct nf_hook_state`, of which the kernel takes these (verify_and_copy_hook_state). */
export function netfilterContext(): ContextType {
  const takes: readonly (keyof NetfilterContext)[] = ['hook', 'pf'];
  return {
    codec: struct('nf_hook_state', { hook: u8, pf: u8 }),
    takes,
    gives: [],
    words: { hook: netfilterHooks, pf: netfilterFamilies },
    advice: "at hooks but 'output' the packet begins with an Ethernet header, and is of the protocol that pf says",
  };
}
