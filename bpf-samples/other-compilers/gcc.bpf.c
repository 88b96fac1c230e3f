// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * What GCC makes of a program: a map, variables of each section, static and global functions, CO-RE by attribute and by
 * builtin. A test run counts its argument and returns how often it has been seen.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct seen {
	__u64 times;
	__u32 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, struct seen);
} counts SEC(".maps");

const volatile __u64 step = 1;
__u64 runs = 0;
__u32 start = 100;
static __u32 hidden_runs;

#if __GNUC__ >= 13
struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));
#endif

__u32 pid_offset = 0;

static __noinline __u64 add(__u64 value)
{
	hidden_runs++;
	return value + step;
}

__noinline int note(__u64 key)
{
	struct seen fresh = { .times = add(0), .last = start };
	struct seen *known = bpf_map_lookup_elem(&counts, &key);

	if (!known) {
		bpf_map_update_elem(&counts, &key, &fresh, BPF_ANY);
		return fresh.times;
	}
	known->times = add(known->times);
	known->last++;
	return known->times;
}

SEC("raw_tp")
int count(__u64 *arguments)
{
#if __GNUC__ >= 13
	struct task_struct *task = 0;

	pid_offset = __builtin_preserve_field_info(task->pid, 0);
#endif
	runs++;
	return note(arguments[0]);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
