// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Entry and return of a kernel function by kprobes, filtered to one process: security_task_setnice runs when a process
 * changes a priority and at no other time.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

struct hit {
	__u32 pid;
	__u32 returned;
};

/* Nothing is reported until this is set. */
const volatile __u32 target_pid = 0;

__u64 entries = 0;
__u64 returns = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} hits SEC(".maps");

const struct hit *unused_hit __attribute__((unused));

static __always_inline void report(__u64 *count, __u32 returned)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct hit *hit;

	if (!target_pid || pid != target_pid)
		return;
	__sync_fetch_and_add(count, 1);
	hit = bpf_ringbuf_reserve(&hits, sizeof(*hit), 0);
	if (!hit)
		return;
	hit->pid = pid;
	hit->returned = returned;
	bpf_ringbuf_submit(hit, 0);
}

SEC("kprobe/security_task_setnice")
int enter(struct pt_regs *context)
{
	report(&entries, 0);
	return 0;
}

SEC("kretprobe/security_task_setnice")
int leave(struct pt_regs *context)
{
	report(&returns, 1);
	return 0;
}

/* Where it belongs is said when it is attached. */
SEC("kprobe")
int anywhere(struct pt_regs *context)
{
	report(&entries, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
