// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* What the README loads by the daemon: counts packets at any of three hooks, and lets them pass. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NEXT -1 /* TCX_NEXT, and to filters TC_ACT_UNSPEC: the next program decides. */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} daemon_packets SEC(".maps");

/* How much each packet counts. */
const volatile __u64 weight = 1;

static __always_inline int count(int result)
{
	__u32 key = 0;
	__u64 *packets = bpf_map_lookup_elem(&daemon_packets, &key);

	if (packets)
		*packets += weight;
	return result;
}

SEC("xdp")
int daemon_xdp(struct xdp_md *context)
{
	return count(XDP_PASS);
}

SEC("tc/ingress")
int daemon_ingress(struct __sk_buff *packet)
{
	return count(NEXT);
}

SEC("tc/egress")
int daemon_egress(struct __sk_buff *packet)
{
	return count(NEXT);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
