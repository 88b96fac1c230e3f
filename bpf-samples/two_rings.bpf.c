// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Two rings with records of different types: the children of one process as they start a program and as they end. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct started {
	__u32 pid;
	char comm[16];
};

struct ended {
	__u64 ts;
	__u32 pid;
};

/* Nothing is reported until this is set. */
const volatile __u32 target_ppid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ends SEC(".maps");

__u64 starts_dropped = 0;

const struct started *unused_started __attribute__((unused));
const struct ended *unused_ended __attribute__((unused));

static __always_inline int is_target(struct task_struct *task)
{
	__u32 ppid = BPF_CORE_READ(task, real_parent, tgid);

	return target_ppid && ppid == target_ppid;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec, struct task_struct *task)
{
	struct started *started;

	if (!is_target(task))
		return 0;
	started = bpf_ringbuf_reserve(&starts, sizeof(*started), 0);
	if (!started) {
		__sync_fetch_and_add(&starts_dropped, 1);
		return 0;
	}
	started->pid = task->tgid;
	__builtin_memset(started->comm, 0, sizeof(started->comm));
	bpf_probe_read_kernel_str(started->comm, sizeof(started->comm), task->comm);
	bpf_ringbuf_submit(started, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(leave, struct task_struct *task)
{
	struct ended *ended;

	/* Every thread ends; the one whose id is the process's stands for it. */
	if (task->pid != task->tgid || !is_target(task))
		return 0;
	ended = bpf_ringbuf_reserve(&ends, sizeof(*ended), 0);
	if (!ended)
		return 0;
	__builtin_memset(ended, 0, sizeof(*ended));
	ended->ts = bpf_ktime_get_boot_ns();
	ended->pid = task->tgid;
	bpf_ringbuf_submit(ended, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
