// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A bloom filter that the program adds to and asks. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1000);
	__uint(map_extra, 3);
	__type(value, __u64);
} filter SEC(".maps");

__s64 result = 0;
/* Not on the stack, of which the verifier of Linux 7.3 thinks that bpf_map_peek_elem only writes it. */
__u64 value = 0;

/* 1 to add or 0 to ask, value */
SEC("raw_tp")
int use_filter(struct bpf_raw_tracepoint_args *context)
{
	value = context->args[1];
	result = context->args[0] ? (__s32)bpf_map_push_elem(&filter, &value, BPF_ANY)
				  : (__s32)bpf_map_peek_elem(&filter, &value);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
