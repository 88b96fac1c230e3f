// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Which of the cgroups in an array the caller of a test run, and the socket of a packet, are in. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} cgroups SEC(".maps");

/* 1: in the cgroup, or one below it; 0: elsewhere; negative: no cgroup at the index. */
__s64 first = -1;
__s64 second = -1;

SEC("raw_tp")
int task(void *context)
{
	first = bpf_current_task_under_cgroup(&cgroups, 0);
	second = bpf_current_task_under_cgroup(&cgroups, 1);
	return 0;
}

SEC("tc")
int packet(struct __sk_buff *context)
{
	first = bpf_skb_under_cgroup(context, &cgroups, 0);
	second = bpf_skb_under_cgroup(context, &cgroups, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
