// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Fills a ring on request, for tests and measurements of readers: a BPF_PROG_TEST_RUN of `burst` with the context
 * { __u64 records, __u64 size, __u64 flags } outputs that many records (MOST at once) of that many bytes (8 to 65,535;
 * others are counted in `refused`). Each begins with its number, counted from 0 over the object's life, `size - 8` pattern
 * bytes follow. `burst_events` takes the same context and ignores the size: its records are `struct burst_event`.
 * `flags` are those of bpf_ringbuf_output(): 0, BPF_RB_NO_WAKEUP 1, BPF_RB_FORCE_WAKEUP 2. Needs kernel 5.10.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define LARGEST 65536
/* Loops and not bpf_loop(): that needs kernel 5.17 and a JIT. The verifier walks through all of it. */
#define MOST 250

struct burst_event {
	__u64 number;
	__u64 ts;
	__u32 pid;
	__u32 cpu;
	__u64 value;
	char comm[16];
};

struct request {
	__u64 records;
	__u64 size;
	__u64 flags;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} events SEC(".maps");

struct buffer {
	__u64 number;
	__u8 pattern[LARGEST - 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct buffer);
} buffer SEC(".maps");

__u64 next_number = 0;
__u64 events_dropped = 0;
__u64 refused = 0;

const struct burst_event *unused_burst_event __attribute__((unused));

static __always_inline long output(struct request *request)
{
	__u32 zero = 0;
	struct buffer *record = bpf_map_lookup_elem(&buffer, &zero);
	__u64 size = request->size;

	if (!record)
		return 1;
	if (size < 8 || size >= LARGEST) {
		refused++;
		return 1;
	}
	record->number = next_number++;
	if (bpf_ringbuf_output(&events, record, size, request->flags))
		events_dropped++;
	return 0;
}

static __always_inline long output_event(struct request *request)
{
	struct burst_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	__u64 number = next_number++;

	if (!event) {
		events_dropped++;
		return 0;
	}
	event->number = number;
	event->ts = bpf_ktime_get_ns();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->cpu = bpf_get_smp_processor_id();
	event->value = number * 3;
	__builtin_memcpy(event->comm, request->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, request->flags);
	return 0;
}

SEC("raw_tp")
int burst(struct bpf_raw_tracepoint_args *context)
{
	struct request request = { context->args[0], context->args[1], context->args[2], "" };

	for (__u32 index = 0; index < MOST && index < request.records; index++)
		if (output(&request))
			break;
	return 0;
}

SEC("raw_tp")
int burst_events(struct bpf_raw_tracepoint_args *context)
{
	struct request request = { context->args[0], context->args[1], context->args[2], "" };

	bpf_get_current_comm(request.comm, sizeof(request.comm));
	for (__u32 index = 0; index < MOST && index < request.records; index++)
		if (output_event(&request))
			break;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
