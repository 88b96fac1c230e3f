// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Netfilter: programs at hooks, which note where and in which order they run. */
#include <linux/bpf.h>
#include <linux/netfilter.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nf_hook_state {
	__u8 hook;
	__u8 pf;
};

struct sk_buff {
	unsigned int len;
};

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

#pragma clang attribute pop

/* What all of them return: NF_ACCEPT, or NF_DROP. */
__u32 verdict = NF_ACCEPT;
/* One decimal digit for each program that ran, the first in front. */
__u64 order = 0;
__u64 packets = 0;
__u32 hook = 0, family = 0, length = 0;

SEC("netfilter")
int first(struct bpf_nf_ctx *context)
{
	order = order * 10 + 1;
	return NF_ACCEPT;
}

SEC("netfilter")
int second(struct bpf_nf_ctx *context)
{
	order = order * 10 + 2;
	return NF_ACCEPT;
}

SEC("netfilter")
int decide(struct bpf_nf_ctx *context)
{
	__sync_fetch_and_add(&packets, 1);
	hook = context->state->hook;
	family = context->state->pf;
	length = context->skb->len;
	return verdict & NF_ACCEPT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
