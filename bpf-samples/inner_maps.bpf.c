// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Maps of maps that are filled at run time. `touch`, driven by a test run, changes what it finds at `place`. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct counter {
	__u64 count;
	__u32 last;
};

/* Arrays of one length: two of different lengths are of different kinds for the kernel, without BPF_F_INNER_MAP. */
struct numbers {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
};

struct counters {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct counter);
};

struct numbers ready SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct numbers);
} by_index SEC(".maps") = { .values = { [2] = &ready } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, __u64);
	__array(values, struct counters);
} by_user SEC(".maps");

/* Whose maps are to be read and written: an index of the one, a key of the other. */
__u64 place = 0;
__u64 found = 0;
/* A variable, since the compiler does not describe types that only maps within maps name. */
struct counter latest;

SEC("raw_tp")
int touch(void *context)
{
	struct counter first = { .count = 1, .last = 5 }, *counter;
	__u32 index = place, key = 1;
	__u64 user = place, *number;
	void *inner;

	inner = bpf_map_lookup_elem(&by_index, &index);
	if (inner) {
		number = bpf_map_lookup_elem(inner, &key);
		if (number) {
			__sync_fetch_and_add(number, 1);
			__sync_fetch_and_add(&found, 1);
		}
	}
	inner = bpf_map_lookup_elem(&by_user, &user);
	if (inner) {
		__sync_fetch_and_add(&found, 1);
		counter = bpf_map_lookup_elem(inner, &key);
		if (counter) {
			counter->count++;
			latest.count = counter->count;
		} else {
			bpf_map_update_elem(inner, &key, &first, BPF_ANY);
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
