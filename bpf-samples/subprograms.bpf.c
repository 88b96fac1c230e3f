// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Functions called across sections: static, global and weak ones, one calling another, shared by two programs. Each test
 * run leaves its results in `.bss`.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

__u64 first_result = 0;
__u64 second_result = 0;
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

SEC("raw_tp")
int first(void *context)
{
	first_result = global_add(10, 20) + weak_three();
	return 0;
}

SEC("raw_tp")
int second(void *context)
{
	second_result = twice_plus_one(100) + hidden_five() + global_add(1, 2);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
