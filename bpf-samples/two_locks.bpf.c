// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* What a kernel refuses: a value with two locks. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct pair {
	struct bpf_spin_lock left;
	struct bpf_spin_lock right;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pair);
} pairs SEC(".maps");

SEC("socket")
int look(struct __sk_buff *context)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&pairs, &key) != 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
