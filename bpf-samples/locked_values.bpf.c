// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Values with a lock, of which both halves change together. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u32 first;
	struct bpf_spin_lock lock;
	__u64 second;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct pair);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct pair);
} pair_array SEC(".maps");

__u64 torn = 0;

static __always_inline void swap(struct pair *pair, __u32 value)
{
	bpf_spin_lock(&pair->lock);
	if (pair->first != pair->second)
		torn++;
	pair->first = value;
	pair->second = value;
	bpf_spin_unlock(&pair->lock);
}

SEC("tc")
int write_pairs(struct __sk_buff *packet)
{
	__u32 key = 1;
	struct pair *pair = bpf_map_lookup_elem(&pairs, &key);

	if (pair)
		swap(pair, packet->mark);
	pair = bpf_map_lookup_elem(&pair_array, &key);
	if (pair)
		swap(pair, packet->mark);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
