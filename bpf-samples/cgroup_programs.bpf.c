// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A program of each type that is attached to cgroups. Each counts, and forbids what the test then tries. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FORBID 0
#define ALLOW 1

#define IPPROTO_IP 0
#define IP_TTL 2

__u64 packets_out = 0;
__u64 packets_in = 0;
__u64 sockets = 0;
__u64 connects = 0;
__u64 options = 0;
__u64 settings = 0;
__u64 devices = 0;

/* Connections to the one port go to the other, in host byte order. */
__u16 from_port = 0;
__u16 to_port = 0;
/* No socket is made while this is set. */
__u32 no_sockets = 0;

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *context)
{
	__sync_fetch_and_add(&packets_out, 1);
	return ALLOW;
}

SEC("cgroup/skb")
int ingress(struct __sk_buff *context)
{
	__sync_fetch_and_add(&packets_in, 1);
	return ALLOW;
}

SEC("cgroup/sock_create")
int create(struct bpf_sock *context)
{
	__sync_fetch_and_add(&sockets, 1);
	return no_sockets ? FORBID : ALLOW;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *context)
{
	__sync_fetch_and_add(&connects, 1);
	if (context->user_port == bpf_htons(from_port))
		context->user_port = bpf_htons(to_port);
	return ALLOW;
}

SEC("cgroup/setsockopt")
int set_option(struct bpf_sockopt *context)
{
	if (context->level != IPPROTO_IP || context->optname != IP_TTL)
		return ALLOW;
	__sync_fetch_and_add(&options, 1);
	return FORBID;
}

SEC("cgroup/sysctl")
int setting(struct bpf_sysctl *context)
{
	__sync_fetch_and_add(&settings, 1);
	return FORBID;
}

SEC("cgroup/dev")
int device(struct bpf_cgroup_dev_ctx *context)
{
	/* /dev/zero */
	if (context->major != 1 || context->minor != 5)
		return ALLOW;
	__sync_fetch_and_add(&devices, 1);
	return FORBID;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
