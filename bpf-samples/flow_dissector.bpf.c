// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A flow dissector that says of every packet that it is of one flow, and a program that asks for the hash of the flow. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u64 dissected = 0;
__u32 hash = 0;

SEC("flow_dissector")
int dissect(struct __sk_buff *packet)
{
	struct bpf_flow_keys *keys = packet->flow_keys;

	__sync_fetch_and_add(&dissected, 1);
	keys->n_proto = bpf_htons(ETH_P_IP);
	keys->addr_proto = ETH_P_IP;
	keys->ip_proto = IPPROTO_UDP;
	keys->ipv4_src = bpf_htonl(0x0a000001);
	keys->ipv4_dst = bpf_htonl(0x0a000002);
	keys->sport = bpf_htons(1);
	keys->dport = bpf_htons(2);
	return BPF_OK;
}

/* Takes its place, and leaves the work to the kernel. */
SEC("flow_dissector")
int refuse(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&dissected, 100);
	return BPF_DROP;
}

SEC("tc")
int ask(struct __sk_buff *packet)
{
	bpf_set_hash_invalid(packet);
	hash = bpf_get_hash_recalc(packet);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
