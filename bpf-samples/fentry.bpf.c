// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Entry and return of a kernel function with its typed arguments, filtered to one process. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct nice {
	__u32 pid;
	__u32 task;
	__s32 value;
	__s32 result;
	__u32 returned;
};

/* Nothing is reported until this is set. */
const volatile __u32 target_pid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} changes SEC(".maps");

const struct nice *unused_nice __attribute__((unused));

static __always_inline void report(struct task_struct *task, int value, int result, __u32 returned)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct nice *nice;

	if (!target_pid || pid != target_pid)
		return;
	nice = bpf_ringbuf_reserve(&changes, sizeof(*nice), 0);
	if (!nice)
		return;
	nice->pid = pid;
	nice->task = task->tgid;
	nice->value = value;
	nice->result = result;
	nice->returned = returned;
	bpf_ringbuf_submit(nice, 0);
}

SEC("fentry/security_task_setnice")
int BPF_PROG(enter, struct task_struct *task, int nice)
{
	report(task, nice, 0, 0);
	return 0;
}

SEC("fexit/security_task_setnice")
int BPF_PROG(leave, struct task_struct *task, int nice, int result)
{
	report(task, nice, result, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
