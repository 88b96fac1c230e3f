// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Every program execution on the machine, as it happens: the README's example. Needs kernel 5.8. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COMM_LENGTH 16
#define FILENAME_LENGTH 128

struct event {
	__u64 ts; /* nanoseconds since boot */
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	char comm[COMM_LENGTH];
	char filename[FILENAME_LENGTH];
};

struct exec_count {
	__u64 execs;
	__u64 last_ts;
};

/* Executions of every user when -1. A signed 64-bit number, so that every uid can be named. */
const volatile __s64 target_uid = -1;
/* Executions by the children of any process when 0. */
const volatile __u32 target_ppid = 0;

/* Events that were lost because nobody emptied the ring in time. */
__u64 events_dropped = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct exec_count);
} execs_by_uid SEC(".maps");

static __noinline void describe(struct event *event, struct task_struct *task, struct linux_binprm *bprm)
{
	event->pid = task->tgid;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), task->comm);
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), bprm->filename);
}

static void count(__u32 uid, __u64 ts)
{
	struct exec_count first = { .execs = 1, .last_ts = ts };
	struct exec_count *known = bpf_map_lookup_elem(&execs_by_uid, &uid);

	if (!known) {
		/* Another CPU may have added this user since: then its count is the one to raise. */
		if (!bpf_map_update_elem(&execs_by_uid, &uid, &first, BPF_NOEXIST))
			return;
		known = bpf_map_lookup_elem(&execs_by_uid, &uid);
		if (!known)
			return;
	}
	__sync_fetch_and_add(&known->execs, 1);
	known->last_ts = ts;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec, struct task_struct *task, __s32 old_pid, struct linux_binprm *bprm)
{
	__u32 ppid = BPF_CORE_READ(task, real_parent, tgid);
	__u32 uid = BPF_CORE_READ(task, cred, uid.val);
	struct event *event;
	__u64 ts;

	if (target_uid >= 0 && uid != target_uid)
		return 0;
	if (target_ppid && ppid != target_ppid)
		return 0;

	ts = bpf_ktime_get_boot_ns();
	count(uid, ts);

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&events_dropped, 1);
		return 0;
	}
	/* The ring's memory is not cleared: a string's bytes after its NUL are, so that none of the kernel's leak. */
	__builtin_memset(event, 0, sizeof(*event));
	event->ts = ts;
	event->ppid = ppid;
	event->uid = uid;
	describe(event, task, bprm);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
