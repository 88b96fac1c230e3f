// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Entry and return of functions of programs and libraries by uprobes, filtered to one process. getpriority runs when Node is
 * asked for os.getPriority().
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 entries = 0;
__u64 returns = 0;
__u64 cookies = 0;
__u64 slept = 0;

static __always_inline void count(__u64 *counter, __u64 by)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (target_pid && pid == target_pid)
		__sync_fetch_and_add(counter, by);
}

SEC("uprobe/libc.so.6:getpriority")
int enter(struct pt_regs *context)
{
	count(&entries, 1);
	return 0;
}

SEC("uretprobe/libc.so.6:getpriority")
int leave(struct pt_regs *context)
{
	count(&returns, 1);
	return 0;
}

/* Where these belong is said when they are attached. */
SEC("uprobe")
int anywhere(struct pt_regs *context)
{
	count(&entries, 1);
	return 0;
}

SEC("uretprobe")
int returned(struct pt_regs *context)
{
	count(&returns, 1);
	return 0;
}

SEC("?uprobe")
int with_cookie(struct pt_regs *context)
{
	count(&cookies, bpf_get_attach_cookie(context));
	return 0;
}

/* Reading memory that is not there yet may wait; address 0 never is. */
SEC("?uprobe.s")
int patient(struct pt_regs *context)
{
	char byte;

	if (bpf_copy_from_user(&byte, sizeof(byte), 0) != 0)
		count(&slept, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
