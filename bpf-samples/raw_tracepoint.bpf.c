// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Raw tracepoints, counting the system calls and executions of one process. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 system_calls = 0;
__u64 executions = 0;
__u64 last_system_call = 0;

static __always_inline int is_target(void)
{
	return target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid;
}

SEC("raw_tp/sys_enter")
int on_system_call(struct bpf_raw_tracepoint_args *context)
{
	if (!is_target())
		return 0;
	last_system_call = context->args[1];
	__sync_fetch_and_add(&system_calls, 1);
	return 0;
}

SEC("raw_tracepoint/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *context)
{
	if (is_target())
		__sync_fetch_and_add(&executions, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
