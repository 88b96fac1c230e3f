// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A value that belongs to a task: how often it made a test run. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct runs {
	__u64 count;
	__u32 thread;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct runs);
} runs SEC(".maps");

SEC("raw_tp")
int count(void *context)
{
	struct runs *mine = bpf_task_storage_get(&runs, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!mine)
		return 1;
	mine->count++;
	mine->thread = bpf_get_current_pid_tgid();
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
