/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Output of events with a count of those that found no room. The kernel does not keep one for ring buffers; readers show
 * this one as `stats.dropped`.
 *
 *	struct { __uint(type, BPF_MAP_TYPE_RINGBUF); ... } events SEC(".maps");
 *	EVENTS_DROPPED(events);
 *
 *	struct event *event = events_reserve(events, sizeof(*event));
 *	if (!event)
 *		return 0;
 *	...
 *	bpf_ringbuf_submit(event, 0);
 */
#ifndef NODE_EBPF_EVENTS_H
#define NODE_EBPF_EVENTS_H

/* vmlinux.h has these types and does not go with them. */
#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#include <linux/types.h>
#endif
#include <bpf/bpf_helpers.h>

/* Declares the count of a map, once in an object. */
#define EVENTS_DROPPED(map) __u64 map##_dropped = 0

#define events_count_drop(map) ((void)__sync_fetch_and_add(&map##_dropped, 1))

/* As bpf_ringbuf_reserve(&map, size, 0). */
#define events_reserve(map, size)                                                                                      \
	({                                                                                                             \
		void *events_reserved = bpf_ringbuf_reserve(&map, size, 0);                                            \
		if (!events_reserved)                                                                                  \
			events_count_drop(map);                                                                        \
		events_reserved;                                                                                       \
	})

/* As bpf_ringbuf_output(&map, data, size, flags). */
#define events_output(map, data, size, flags)                                                                          \
	({                                                                                                             \
		long events_result = bpf_ringbuf_output(&map, data, size, flags);                                      \
		if (events_result)                                                                                     \
			events_count_drop(map);                                                                        \
		events_result;                                                                                         \
	})

/* As bpf_perf_event_output(context, &map, BPF_F_CURRENT_CPU, data, size). */
#define events_perf_output(context, map, data, size)                                                                   \
	({                                                                                                             \
		long events_result = bpf_perf_event_output(context, &map, BPF_F_CURRENT_CPU, data, size);              \
		if (events_result)                                                                                     \
			events_count_drop(map);                                                                        \
		events_result;                                                                                         \
	})

#endif
