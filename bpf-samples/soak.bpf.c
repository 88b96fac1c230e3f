// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Writes records of many sizes for endurance: a BPF_PROG_TEST_RUN of `ring` or `perf` with the context { __u64 records }
 * writes that many (MOST at once). A record begins with its number, ends in that number's lowest byte, and has the size that
 * size_of() makes of the number: 8 to 135 bytes, one in 4096 up to 1 MiB (in perf buffers 32 KiB). test/helpers/soak.ts does
 * the same sums. Needs kernel 5.10.
 */
#include "node_ebpf_events.h"
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#ifndef NULL
#define NULL ((void *)0)
#endif

/* More than size_of() makes: 8 and 20 bits. The verifier sees it from the shift alone. */
#define BUFFER_SIZE 1048592
#define MOST 200

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} ring_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} perf_events SEC(".maps");

struct buffer {
	__u64 number;
	__u8 rest[BUFFER_SIZE - 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct buffer);
} buffer SEC(".maps");

EVENTS_DROPPED(ring_events);
EVENTS_DROPPED(perf_events);
__u64 ring_number = 0;
__u64 perf_number = 0;

static __always_inline __u64 size_of(__u64 number, __u32 shift)
{
	__u32 hash = (__u32)number * 0x9e3779b1u;

	hash ^= hash >> 15;
	if ((hash & 4095) == 0)
		return 8 + ((hash * 0x85ebca6bu) >> shift);
	return 8 + ((hash >> 12) & 127);
}

static __always_inline struct buffer *record(__u64 number, __u64 size)
{
	__u32 zero = 0;
	struct buffer *record = bpf_map_lookup_elem(&buffer, &zero);

	if (!record)
		return NULL;
	record->number = number;
	/* The eight bytes of the number are its own end. */
	if (size > 8)
		((__u8 *)record)[size - 1] = number;
	return record;
}

SEC("raw_tp")
int ring(struct bpf_raw_tracepoint_args *context)
{
	__u64 records = context->args[0];

	for (__u32 index = 0; index < MOST && index < records; index++) {
		__u64 number = ring_number;
		__u64 size = size_of(number, 12);
		struct buffer *data = record(number, size);

		if (!data)
			return 1;
		ring_number = number + 1;
		events_output(ring_events, data, size, 0);
	}
	return 0;
}

SEC("raw_tp")
int perf(struct bpf_raw_tracepoint_args *context)
{
	__u64 records = context->args[0];

	for (__u32 index = 0; index < MOST && index < records; index++) {
		__u64 number = perf_number;
		__u64 size = size_of(number, 17);
		struct buffer *data = record(number, size);

		if (!data)
			return 1;
		perf_number = number + 1;
		events_perf_output(context, perf_events, data, size);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
