// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Entry and return of a system call by name, filtered to one process. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 entries = 0;
__u64 returns = 0;

static __always_inline int count(__u64 *counter)
{
	if (target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid)
		__sync_fetch_and_add(counter, 1);
	return 0;
}

SEC("ksyscall/setpriority")
int enter(struct pt_regs *context)
{
	return count(&entries);
}

SEC("kretsyscall/setpriority")
int leave(struct pt_regs *context)
{
	return count(&returns);
}

/* Where it belongs is said when it is attached. */
SEC("ksyscall")
int anywhere(struct pt_regs *context)
{
	return count(&entries);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
