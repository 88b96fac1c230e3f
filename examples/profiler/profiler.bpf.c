// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Counts stacks: each time a timer of a CPU fires, what runs there is counted by its stacks in the kernel and in user space. */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>

#define DEPTH 127

/* The process that is looked at, as its namespace counts; 0: all of them. */
const volatile __u32 target = 0;
/* Which of the two maps stacks go to, while the other one is read and emptied. */
__u32 half = 0;
/* Samples whose stack found no place in its map. */
__u64 lost = 0;

struct sample {
	__u32 pid;
	__u32 half;
	/* The numbers of stacks, or negative errors: a kernel thread has no stack in user space. */
	__s32 kernel_stack;
	__s32 user_stack;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct sample);
	__type(value, __u64);
} counts SEC(".maps");

#define STACKS                                             \
	{                                                  \
		__uint(type, BPF_MAP_TYPE_STACK_TRACE);    \
		__uint(max_entries, 16384);                \
		__uint(key_size, 4);                       \
		__uint(value_size, DEPTH * sizeof(__u64)); \
	}
struct STACKS stacks_0 SEC(".maps"), stacks_1 SEC(".maps");

static __always_inline __s32 stack_of(struct bpf_perf_event_data *context, __u32 which, __u64 flags)
{
	__s64 id = which ? bpf_get_stackid(context, &stacks_1, flags) : bpf_get_stackid(context, &stacks_0, flags);

	if (id == -EEXIST || id == -ENOMEM)
		__sync_fetch_and_add(&lost, 1);
	return id;
}

SEC("perf_event")
int take_sample(struct bpf_perf_event_data *context)
{
	struct sample sample = { .pid = bpf_get_current_pid_tgid() >> 32, .half = half & 1 };
	__u64 *count, first = 1;

	/* Process 0 is what a CPU runs that has nothing to do. */
	if (sample.pid == 0 || (target && sample.pid != target))
		return 0;
	bpf_get_current_comm(sample.comm, sizeof(sample.comm));
	sample.kernel_stack = stack_of(context, sample.half, 0);
	sample.user_stack = stack_of(context, sample.half, BPF_F_USER_STACK);
	count = bpf_map_lookup_elem(&counts, &sample);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (bpf_map_update_elem(&counts, &sample, &first, BPF_NOEXIST) == -E2BIG)
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
