// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Programs at many kernel functions at once, filtered to one process where they count: security_task_setnice and
 * security_task_getscheduler run when a process changes a priority, or asks how it is scheduled.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 entries = 0;
__u64 returns = 0;
/* Cookies of the functions that were entered, in order. */
__u64 cookies[4] = {};
__u64 addresses[4] = {};

static __always_inline int is_target(void)
{
	return target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid;
}

static __always_inline int enter(struct pt_regs *context)
{
	__u64 number = entries;

	/* One process, one thread: kernels before 5.12 do not tell what a number was before it is added to. */
	if (!is_target())
		return 0;
	entries = number + 1;
	if (number < 4) {
		cookies[number & 3] = bpf_get_attach_cookie(context);
		addresses[number & 3] = bpf_get_func_ip(context);
	}
	return 0;
}

SEC("kprobe.multi/security_task_setn*")
int pattern(struct pt_regs *context)
{
	return enter(context);
}

SEC("kretprobe.multi/security_task_setn*")
int leave(struct pt_regs *context)
{
	if (is_target())
		__sync_fetch_and_add(&returns, 1);
	return 0;
}

/* Where they belong is said when they are attached. */
SEC("kprobe.multi")
int anywhere(struct pt_regs *context)
{
	return enter(context);
}

SEC("kprobe.multi")
int nothing(struct pt_regs *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
