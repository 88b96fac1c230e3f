// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Functions called across sections: static, global and weak ones, one calling another, shared by two programs, and
 * callbacks whose address is taken. Each test run leaves its results in `.bss`. Needs kernel 5.17 (bpf_loop).
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

__u64 first_result = 0;
__u64 second_result = 0;
__u64 loop_result = 0;
__u64 each_result = 0;
__u64 runs = 0;

static __noinline __u64 twice(__u64 value)
{
	__sync_fetch_and_add(&runs, 1);
	return value * 2;
}

static __noinline __u64 twice_plus_one(__u64 value)
{
	return twice(value) + 1;
}

__noinline int global_add(int left, int right)
{
	__sync_fetch_and_add(&runs, 1);
	return left + (int)twice_plus_one(right);
}

__weak __noinline int weak_three(void)
{
	__sync_fetch_and_add(&runs, 1);
	return 3;
}

__attribute__((visibility("hidden"))) __noinline int hidden_five(void)
{
	__sync_fetch_and_add(&runs, 1);
	return 5;
}

static long add_index(__u32 index, struct sum *sum)
{
	sum->value += twice(index);
	sum->calls++;
	return 0;
}

static long add_number(struct bpf_map *map, __u32 *key, __u64 *value, struct sum *sum)
{
	sum->value += *value;
	sum->calls++;
	return 0;
}

SEC("raw_tp")
int first(void *context)
{
	struct sum sum = {};

	first_result = global_add(10, 20) + weak_three();
	bpf_loop(10, add_index, &sum, 0);
	loop_result = sum.value * 100 + sum.calls;
	return 0;
}

SEC("raw_tp")
int second(void *context)
{
	struct sum sum = {};

	second_result = twice_plus_one(100) + hidden_five() + global_add(1, 2);
	bpf_for_each_map_elem(&numbers, add_number, &sum, 0);
	each_result = sum.value * 100 + sum.calls;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
