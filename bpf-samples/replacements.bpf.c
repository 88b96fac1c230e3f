// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Replaces or traces the function of the sample `replaceable`; which of them is for the load to say. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct xdp_buff;

__u64 entered = 0;
__u64 left = 0;
__u64 in_session = 0;
__s32 result = 0;

SEC("?freplace/slot")
int replacement(struct xdp_md *context)
{
	return XDP_DROP;
}

/* Other arguments. */
SEC("?freplace/slot")
int misfit(struct xdp_md *context, __u64 more)
{
	return XDP_DROP;
}

/* Which function it replaces is for the load to say. */
SEC("?freplace")
int nameless(struct xdp_md *context)
{
	return XDP_TX;
}

SEC("?fentry/slot")
int BPF_PROG(on_enter, struct xdp_buff *context)
{
	__sync_fetch_and_add(&entered, 1);
	return 0;
}

SEC("?fexit/slot")
int BPF_PROG(on_leave, struct xdp_buff *context, int returned)
{
	__sync_fetch_and_add(&left, 1);
	result = returned;
	return 0;
}

SEC("?fsession/slot")
int BPF_PROG(around, struct xdp_buff *context, int returned)
{
	__sync_fetch_and_add(&in_session, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
