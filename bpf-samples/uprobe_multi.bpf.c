// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Many functions of a library by one program, filtered to one process: getpriority and setpriority run when Node is asked
 * for os.getPriority() and os.setPriority().
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 entries = 0;
__u64 returns = 0;
__u64 cookies = 0;

static __always_inline void count(__u64 *counter, __u64 by)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (target_pid && pid == target_pid)
		__sync_fetch_and_add(counter, by);
}

SEC("uprobe.multi/libc.so.6:?etpriority")
int enter(struct pt_regs *context)
{
	count(&entries, 1);
	return 0;
}

SEC("uretprobe.multi/libc.so.6:?etpriority")
int leave(struct pt_regs *context)
{
	count(&returns, 1);
	return 0;
}

SEC("uprobe.multi")
int anywhere(struct pt_regs *context)
{
	count(&entries, 1);
	return 0;
}

SEC("?uprobe.multi")
int with_cookie(struct pt_regs *context)
{
	count(&cookies, bpf_get_attach_cookie(context));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
