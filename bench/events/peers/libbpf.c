// SPDX-License-Identifier: MIT OR Apache-2.0
/* libbpf as a consumer: see harness.h. */
#include <bpf/libbpf.h>
#include "harness.h"

static struct ring_buffer *rings;
static struct perf_buffer *buffers;

static int on_record(void *context, void *data, size_t size)
{
	take(data);
	return 0;
}

static void on_sample(void *context, int cpu, void *data, uint32_t size)
{
	take(data);
}

static void on_lost(void *context, int cpu, unsigned long long count)
{
}

static void open_ring(int map)
{
	rings = ring_buffer__new(map, on_record, NULL, NULL);
	if (!rings)
		exit(1);
}

static void open_perf(int map)
{
	buffers = perf_buffer__new(map, PERF_PAGES, on_sample, on_lost, NULL, NULL);
	if (!buffers)
		exit(1);
}

static void consume(void)
{
	if (rings)
		ring_buffer__consume(rings);
	else
		perf_buffer__consume(buffers);
}

static void await(int milliseconds)
{
	if (rings)
		ring_buffer__poll(rings, milliseconds);
	else
		perf_buffer__poll(buffers, milliseconds);
}

static void close_all(void)
{
	ring_buffer__free(rings);
	perf_buffer__free(buffers);
	rings = NULL;
	buffers = NULL;
}
