// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* XDP programs that run beside each other on one interface, by a dispatcher: each notes when it ran. UDP port 9 only. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* One decimal digit for each program that ran, the first in front. */
__u64 order = 0;
/* What `third` returns. */
__u32 action = XDP_PASS;

/* How libxdp's loaders run them, where nobody says otherwise. */
struct {
	__uint(priority, 10);
	__uint(XDP_PASS, 1);
	__uint(XDP_DROP, 1);
} _second SEC(".xdp_run_config");

static __always_inline int note(struct xdp_md *context, int digit, int result)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct udphdr *udp = (void *)ip + sizeof(*ip);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (udp->dest != bpf_htons(9))
		return XDP_PASS;
	order = order * 10 + digit;
	return result;
}

SEC("xdp")
int first(struct xdp_md *context)
{
	return note(context, 1, XDP_PASS);
}

SEC("xdp")
int second(struct xdp_md *context)
{
	return note(context, 2, XDP_DROP);
}

SEC("xdp")
int third(struct xdp_md *context)
{
	return note(context, 3, action);
}

/* Moves the packet, which only functions that may do so can be replaced by. */
SEC("xdp")
int fourth(struct xdp_md *context)
{
	int result = note(context, 4, XDP_PASS);

	return bpf_xdp_adjust_tail(context, 0) ? XDP_ABORTED : result;
}

/* For packets in several buffers: Linux 5.18. */
SEC("?xdp.frags")
int with_fragments(struct xdp_md *context)
{
	return note(context, 5, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
