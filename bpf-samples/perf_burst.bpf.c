// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Fills perf buffers on request, for tests and measurements of readers: a BPF_PROG_TEST_RUN of `burst` with the context
 * { __u64 records, __u64 size } outputs that many records (MOST at once) of that many bytes (8 to 32,767; others are
 * counted in `refused`). Each begins with its number, counted from 0 over the object's life. `burst_events` ignores the
 * size: its records are `struct perf_burst_event`. `next_number` counts all, `events_dropped` those that failed. `burst_tail`
 * writes records that end in as many bytes as `size` says (0 to 64). Needs kernel 5.10.
 */
#include "node_ebpf_events.h"
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define LARGEST 32768
#define MOST 250
#define LONGEST_TAIL 64

struct perf_burst_event {
	__u64 number;
	__u64 ts;
	__u32 pid;
	__u32 cpu;
	__u64 value;
	char comm[16];
};

struct perf_burst_tail {
	__u32 length;
	__u8 data[];
};

struct request {
	__u64 records;
	__u64 size;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} events SEC(".maps");

struct buffer {
	__u64 number;
	__u8 pattern[LARGEST - 8];
};

/* One for each CPU: two may write at once. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct buffer);
} buffer SEC(".maps");

EVENTS_DROPPED(events);
__u64 next_number = 0;
__u64 refused = 0;

const struct perf_burst_event *unused_perf_burst_event __attribute__((unused));
const struct perf_burst_tail *unused_perf_burst_tail __attribute__((unused));

static __always_inline long output(void *context, struct request *request)
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
	record->number = next_number;
	/* The result is not used: kernel 5.10 has no instruction that gives it. */
	__sync_fetch_and_add(&next_number, 1);
	events_perf_output(context, events, record, size);
	return 0;
}

SEC("raw_tp")
int burst(struct bpf_raw_tracepoint_args *context)
{
	struct request request = { context->args[0], context->args[1] };

	for (__u32 index = 0; index < MOST && index < request.records; index++)
		if (output(context, &request))
			break;
	return 0;
}

SEC("raw_tp")
int burst_events(struct bpf_raw_tracepoint_args *context)
{
	__u64 records = context->args[0];
	struct perf_burst_event event = {};

	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	for (__u32 index = 0; index < MOST && index < records; index++) {
		event.number = next_number;
		__sync_fetch_and_add(&next_number, 1);
		event.value = event.number * 3;
		event.ts = bpf_ktime_get_ns();
		events_perf_output(context, events, &event, sizeof(event));
	}
	return 0;
}

SEC("raw_tp")
int burst_tail(struct bpf_raw_tracepoint_args *context)
{
	struct {
		__u32 length;
		__u8 data[LONGEST_TAIL];
	} record = {};
	__u64 size = context->args[1];

	if (size > LONGEST_TAIL)
		return 0;
	record.length = size;
	for (__u32 index = 0; index < LONGEST_TAIL; index++)
		record.data[index] = index + 1;
	events_perf_output(context, events, &record, sizeof(record.length) + size);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
