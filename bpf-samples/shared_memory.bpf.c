// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Memory that programs and user space write at the same time: variables and an array. Repeated test runs flip both. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct words {
	__u64 wide;
	__u32 middle;
	__u16 narrow;
	__u8 least;
	__u8 last;
};

/* Every byte of a number is the same at any moment. */
volatile __u64 wide = 0;
volatile __u32 middle = 0;
volatile __u16 narrow = 0;
volatile __u8 least = 0;
volatile struct words words;

/* What user space flips; `torn` counts the times that a program saw half of it. */
volatile __u64 theirs = 0;
volatile __u64 torn = 0;
volatile __u32 runs = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
} shared SEC(".maps");

SEC("socket")
int flip(void *context)
{
	__u64 all = ~wide, seen = theirs;
	__u32 index, first = 0, *slot;

	wide = all;
	middle = all;
	narrow = all;
	least = all;
	words.wide = all;
	words.middle = all;
	words.narrow = all;
	words.least = all;
	words.last = all;
	if (seen != 0 && seen != ~0ull)
		__sync_fetch_and_add(&torn, 1);
	__sync_fetch_and_add(&runs, 1);
	/* The last is the sum of the first seven, which user space writes. */
	for (index = 0; index < 7; index++) {
		__u32 key = index;

		slot = bpf_map_lookup_elem(&shared, &key);
		if (slot)
			first += *slot;
	}
	slot = bpf_map_lookup_elem(&shared, &index);
	if (slot)
		*slot = first;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
