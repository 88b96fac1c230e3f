// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* XDP programs that are loaded for one interface: one that asks its driver about a packet, and one that its card can run. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* What drivers tell, of Linux 6.3; the type is the kernel's enum xdp_rss_hash_type. */
enum xdp_rss_hash_type { NOTHING_HASHED = 0 };
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *context, __u32 *hash, enum xdp_rss_hash_type *type) __ksym;
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *context, __u64 *timestamp) __ksym;

/* Only packets to this UDP port are counted: an interface has traffic of its own. */
const volatile __u16 port = 9;
__u64 packets = 0;
__s32 hash_error = 1;
__u32 hash = 0;
__s32 timestamp_error = 1;

static __always_inline int is_ours(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct udphdr *udp = (void *)ip + sizeof(*ip);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return 0;
	return udp->dest == bpf_htons(port);
}

SEC("?xdp")
int told_by_driver(struct xdp_md *context)
{
	enum xdp_rss_hash_type type;
	__u64 timestamp;

	if (!is_ours(context))
		return XDP_PASS;
	hash_error = bpf_xdp_metadata_rx_hash(context, &hash, &type);
	timestamp_error = bpf_xdp_metadata_rx_timestamp(context, &timestamp);
	__sync_fetch_and_add(&packets, 1);
	return XDP_PASS;
}

/* In packets of one buffer or of several. */
SEC("?xdp.frags")
int with_fragments(struct xdp_md *context)
{
	if (is_ours(context))
		__sync_fetch_and_add(&packets, 1);
	return XDP_PASS;
}

/* As small as cards have them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} in_card SEC(".maps");

SEC("?xdp")
int run_by_card(struct xdp_md *context)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&in_card, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

/* Another to take its place. */
SEC("?xdp")
int dropped_by_card(struct xdp_md *context)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
