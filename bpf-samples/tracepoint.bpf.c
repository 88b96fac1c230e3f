// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A tracepoint found through tracefs, counting what one process does. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The layout in tracefs, events/sched/sched_process_exec/format. */
struct exec_context {
	__u64 common;
	__u32 filename_location; /* offset in the low 16 bits, length in the high ones */
	__s32 pid;
	__s32 old_pid;
};

struct exec_event {
	__u32 pid;
	__u32 old_pid;
	char filename[64];
};

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

__u64 calls = 0;
__u64 events_dropped = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const struct exec_event *unused_exec_event __attribute__((unused));

SEC("tracepoint/sched/sched_process_exec")
int on_exec(struct exec_context *context)
{
	struct exec_event *event;

	if ((__u32)context->pid != target_pid)
		return 0;
	__sync_fetch_and_add(&calls, 1);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&events_dropped, 1);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->pid = context->pid;
	event->old_pid = context->old_pid;
	bpf_probe_read_kernel_str(event->filename, sizeof(event->filename),
				  (void *)context + (context->filename_location & 0xffff));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
