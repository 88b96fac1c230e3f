// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Writes records of 64 bytes: a BPF_PROG_TEST_RUN of `ring` or `perf` with the context { __u64 records, __u64 flags }.
 * A record is written where there is room; `lost` counts the others.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 number;
	__u64 ts;
	__u64 bytes;
	__u32 pid;
	__u32 value;
	char comm[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} ring_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} perf_events SEC(".maps");

__u64 number = 0;
__u64 lost = 0;

const struct event *unused_event __attribute__((unused));

struct state {
	struct event event;
	__u64 flags;
	void *context;
};

static __always_inline void fill(struct event *event)
{
	event->number = number;
	event->value = number & 1023;
	number++;
}

static long write_ring(__u64 index, struct state *state)
{
	fill(&state->event);
	if (bpf_ringbuf_output(&ring_events, &state->event, sizeof(state->event), state->flags))
		lost++;
	return 0;
}

static long write_perf(__u64 index, struct state *state)
{
	fill(&state->event);
	if (bpf_perf_event_output(state->context, &perf_events, BPF_F_CURRENT_CPU, &state->event, sizeof(state->event)))
		lost++;
	return 0;
}

static __always_inline void begin(struct state *state, void *context)
{
	state->event.bytes = 1500;
	state->event.pid = 4242;
	__builtin_memcpy(state->event.comm, "a-usual-command", 16);
	/* Once: what is measured by it is written one at a time. */
	state->event.ts = bpf_ktime_get_ns();
	state->context = context;
}

SEC("raw_tp")
int ring(struct bpf_raw_tracepoint_args *context)
{
	struct state state = { .flags = context->args[1] };

	begin(&state, context);
	bpf_loop(context->args[0], write_ring, &state, 0);
	return 0;
}

SEC("raw_tp")
int perf(struct bpf_raw_tracepoint_args *context)
{
	struct state state = {};

	begin(&state, context);
	bpf_loop(context->args[0], write_perf, &state, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
