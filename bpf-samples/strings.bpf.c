// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Strings of the kernel's memory and of the user's, copied and compared on request. A test run with the context
 * { __u64 room, __u64 offset } copies into `room` bytes what is `offset` bytes behind the start.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct mm_struct {
	unsigned long arg_start;
} __attribute__((preserve_access_index));

struct task_struct {
	struct mm_struct *mm;
} __attribute__((preserve_access_index));

/* Memory of the kernel, which user space writes. */
char text[64] = "";

char copied[16] = "";
__s64 result = 0;

static __always_inline __u32 room_of(struct bpf_raw_tracepoint_args *context)
{
	__u64 room = context->args[0];

	return room < sizeof(copied) ? room : sizeof(copied);
}

SEC("raw_tp")
int copy_kernel(struct bpf_raw_tracepoint_args *context)
{
	result = bpf_probe_read_kernel_str(copied, room_of(context), text + (context->args[1] & (sizeof(text) - 1)));
	return 0;
}

/* The arguments of the process, one string after the other. */
SEC("raw_tp")
int copy_user(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);

	result = bpf_probe_read_user_str(copied, room_of(context), (void *)(start + context->args[1]));
	return 0;
}

/* Nothing is there in either memory. */
SEC("raw_tp")
int copy_nothing(struct bpf_raw_tracepoint_args *context)
{
	__u32 room = room_of(context);

	if (context->args[1])
		result = bpf_probe_read_user_str(copied, room, 0);
	else
		result = bpf_probe_read_kernel_str(copied, room, (void *)-4096UL);
	return 0;
}

/*
 * As compilers bring it along, those of Rust above all: a global function whose arguments no verifier can check by themselves. It
 * is checked where it is called.
 */
__attribute__((noinline, no_builtin)) void *memmove(void *to, const void *from, unsigned long size)
{
	char *bytes = to;

	for (unsigned long index = 0; index < size && index < sizeof(copied); index++)
		bytes[index] = ((const char *)from)[index];
	return to;
}

SEC("raw_tp")
__attribute__((no_builtin)) int move(struct bpf_raw_tracepoint_args *context)
{
	memmove(copied, text, room_of(context));
	return 0;
}

/* Linux 5.17. */
SEC("?raw_tp")
int compare(struct bpf_raw_tracepoint_args *context)
{
	result = bpf_strncmp(copied, sizeof(copied), "kernel");
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
