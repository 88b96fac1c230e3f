// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Reads a member that no kernel has, without asking first: the verifier meets the poisoned access. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int no_such_member;
} __attribute__((preserve_access_index));

__u64 seen = 0;

SEC("raw_tp")
int missing(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	seen = BPF_CORE_READ(task, no_such_member);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
