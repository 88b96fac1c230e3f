// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Filters of sockets, which return how many bytes to keep, and of groups of sockets that share a port, which return an index. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 seen = 0;

SEC("socket")
int keep_all(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&seen, 1);
	return packet->len;
}

SEC("socket")
int keep_none(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&seen, 1);
	return 0;
}

/* A UDP socket's packets begin with the UDP header's eight bytes. */
SEC("socket")
int keep_four(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&seen, 1);
	return 8 + 4;
}

SEC("socket")
int choose_first(struct __sk_buff *packet)
{
	return 0;
}

SEC("socket")
int choose_second(struct __sk_buff *packet)
{
	return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
