// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A security hook that forbids one process one priority. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

/* Nothing is forbidden until this is set. */
const volatile __u32 target_pid = 0;
const volatile __s32 forbidden = 0;

__u64 asked = 0;
__u64 refused = 0;

SEC("lsm/task_setnice")
int BPF_PROG(set_nice, struct task_struct *task, int nice, int result)
{
	if (result)
		return result;
	if (!target_pid || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	__sync_fetch_and_add(&asked, 1);
	if (nice != forbidden)
		return 0;
	__sync_fetch_and_add(&refused, 1);
	return -EPERM;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
