// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Stacks of the caller of a test run: of the kernel, and of user space by address and by build id. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define DEPTH 32

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, DEPTH * sizeof(__u64));
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_STACK_BUILD_ID);
	__uint(key_size, 4);
	__uint(value_size, DEPTH * sizeof(struct bpf_stack_build_id));
} build_ids SEC(".maps");

/* Ids of stacks, or negative errors. */
__s64 kernel_stack = -1;
__s64 user_stack = -1;
__s64 user_build_ids = -1;

SEC("raw_tp")
int look(void *context)
{
	kernel_stack = bpf_get_stackid(context, &addresses, 0);
	user_stack = bpf_get_stackid(context, &addresses, BPF_F_USER_STACK);
	user_build_ids = bpf_get_stackid(context, &build_ids, BPF_F_USER_STACK);
	return 0;
}

/* No stack is stored of a hook until this is set. */
const volatile __u32 target_pid = 0;
__s64 hook_stack = -1;

/* A security hook, which sees one process change a priority and forbids nothing. */
SEC("?lsm/task_setnice")
int look_from_hook(__u64 *context)
{
	if (target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid)
		hook_stack = bpf_get_stackid(context, &addresses, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
