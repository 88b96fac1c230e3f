// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Traffic control: nine programs that say in which order they ran, one for what goes out, one without a side. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* TCX_NEXT, and to filters "go on": TC_ACT_UNSPEC. */
#define NEXT -1

/* One decimal digit for each program that ran, the first in front. */
__u64 order = 0;
__u64 packets = 0;

static __always_inline int is_ours(struct __sk_buff *packet)
{
	void *data = (void *)(long)packet->data, *end = (void *)(long)packet->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct udphdr *udp = (void *)ip + sizeof(*ip);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return 0;
	return udp->dest == bpf_htons(9);
}

static __always_inline int note(struct __sk_buff *packet, int digit)
{
	if (is_ours(packet))
		order = order * 10 + digit;
	return NEXT;
}

#define NOTING(name, digit)          \
	SEC("tc/ingress")            \
	int name(struct __sk_buff *packet) { return note(packet, digit); }

NOTING(first, 1)
NOTING(second, 2)
NOTING(third, 3)
NOTING(fourth, 4)
NOTING(fifth, 5)
NOTING(sixth, 6)
NOTING(seventh, 7)
NOTING(eighth, 8)
NOTING(ninth, 9)

SEC("tcx/egress")
int outgoing(struct __sk_buff *packet)
{
	if (is_ours(packet))
		__sync_fetch_and_add(&packets, 1);
	return NEXT;
}

SEC("classifier")
int anywhere(struct __sk_buff *packet)
{
	if (is_ours(packet))
		__sync_fetch_and_add(&packets, 1);
	return TC_ACT_OK;
}

/* Takes the place of `anywhere`. */
SEC("tc")
int drop_ours(struct __sk_buff *packet)
{
	if (!is_ours(packet))
		return TC_ACT_OK;
	__sync_fetch_and_add(&packets, 100);
	return TC_ACT_SHOT;
}

/* What is done with what a filter has chosen. */
SEC("action")
int act(struct __sk_buff *packet)
{
	if (is_ours(packet))
		__sync_fetch_and_add(&packets, 1);
	return NEXT;
}

SEC("action")
int act_by_dropping(struct __sk_buff *packet)
{
	if (!is_ours(packet))
		return NEXT;
	__sync_fetch_and_add(&packets, 100);
	return TC_ACT_SHOT;
}

/* For test runs: writes into the packet and into what is told of it. */
SEC("tc")
int rewrite(struct __sk_buff *packet)
{
	__u8 letter = 'B';

	if (bpf_skb_store_bytes(packet, 14, &letter, 1, 0))
		return TC_ACT_SHOT;
	packet->mark = packet->mark + 1;
	packet->cb[0] = packet->len;
	return TC_ACT_REDIRECT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
