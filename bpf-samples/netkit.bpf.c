// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Netkit: programs that note the order in which they run at either end of a pair. UDP port 9 only. */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* NETKIT_NEXT and NETKIT_DROP. */
#define NEXT -1
#define DROP 2

/* One decimal digit for each program that ran, the first in front. */
__u64 order = 0;
__u64 packets = 0;

/* Between interfaces without Ethernet addresses packets begin with the network header. */
static __always_inline int is_ours(struct __sk_buff *packet)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} headers;

	if (packet->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes_relative(packet, 0, &headers, sizeof(headers), BPF_HDR_START_NET))
		return 0;
	return headers.ip.protocol == IPPROTO_UDP && headers.udp.dest == bpf_htons(9);
}

static __always_inline int note(struct __sk_buff *packet, int digit)
{
	if (is_ours(packet))
		order = order * 10 + digit;
	return NEXT;
}

SEC("netkit/primary")
int first(struct __sk_buff *packet)
{
	return note(packet, 1);
}

SEC("netkit/primary")
int second(struct __sk_buff *packet)
{
	return note(packet, 2);
}

SEC("netkit/primary")
int third(struct __sk_buff *packet)
{
	return note(packet, 3);
}

/* Takes the place of another. */
SEC("netkit/primary")
int drop_ours(struct __sk_buff *packet)
{
	if (!is_ours(packet))
		return NEXT;
	__sync_fetch_and_add(&packets, 100);
	return DROP;
}

SEC("netkit/peer")
int at_peer(struct __sk_buff *packet)
{
	if (is_ours(packet))
		__sync_fetch_and_add(&packets, 1);
	return NEXT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
