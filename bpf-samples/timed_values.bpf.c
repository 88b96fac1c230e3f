// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Values with a timer, which user space neither sees nor stops. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define CLOCK_MONOTONIC 1

struct task {
	__u32 number;
	struct bpf_timer timer;
	__u32 after;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct task);
} tasks SEC(".maps");

__u64 fired = 0;

static int fire(void *map, __u32 *key, struct task *task)
{
	__sync_fetch_and_add(&fired, task->number);
	return 0;
}

SEC("tc")
int start(struct __sk_buff *packet)
{
	__u32 key = 1;
	struct task *task = bpf_map_lookup_elem(&tasks, &key);

	if (!task)
		return 1;
	bpf_timer_init(&task->timer, &tasks, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&task->timer, fire);
	return bpf_timer_start(&task->timer, 50000000, 0);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
