// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Functions whose address is taken: helpers call them back. Each test run leaves its results in `.bss`. Needs kernel 5.17
 * (bpf_loop), which has callbacks only where programs are compiled (JIT).
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct bpf_map;

struct sum {
	__u64 value;
	__u32 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

__u64 loop_result = 0;
__u64 each_result = 0;
__u64 runs = 0;

/* Shared by both callbacks. */
static __noinline __u64 twice(__u64 value)
{
	__sync_fetch_and_add(&runs, 1);
	return value * 2;
}

static long add_index(__u32 index, struct sum *sum)
{
	sum->value += twice(index);
	sum->calls++;
	return 0;
}

static long add_number(struct bpf_map *map, __u32 *key, __u64 *value, struct sum *sum)
{
	sum->value += twice(*value);
	sum->calls++;
	return 0;
}

SEC("raw_tp")
int loop(void *context)
{
	struct sum sum = {};

	bpf_loop(10, add_index, &sum, 0);
	loop_result = sum.value * 100 + sum.calls;
	return 0;
}

SEC("raw_tp")
int each(void *context)
{
	struct sum sum = {};

	bpf_for_each_map_elem(&numbers, add_number, &sum, 0);
	each_result = sum.value * 100 + sum.calls;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
