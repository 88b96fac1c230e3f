// SPDX-License-Identifier: MIT OR Apache-2.0
/* The least that a consumer of a ring can do: a walk over the mapped memory, the position stored once. See harness.h. */
#include <poll.h>
#include <sys/mman.h>
#include "harness.h"

#define BUSY (1u << 31)
#define DISCARDED (1u << 30)

static uint64_t *consumer;
static uint64_t *producer;
static const char *data;
static int descriptor;

static void open_ring(int map)
{
	long page = sysconf(_SC_PAGESIZE);

	descriptor = map;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	producer = mmap(NULL, page + 2ul * RING_BYTES, PROT_READ, MAP_SHARED, map, page);
	if (consumer == MAP_FAILED || producer == MAP_FAILED)
		exit(1);
	data = (const char *)producer + page;
}

static void open_perf(int map)
{
	exit(1);
}

static void consume(void)
{
	uint64_t position = *consumer, end = __atomic_load_n(producer, __ATOMIC_ACQUIRE);

	while (position < end) {
		const char *record = data + (position & (RING_BYTES - 1));
		uint32_t length = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);

		if (length & BUSY)
			break;
		if (!(length & DISCARDED))
			take((const struct event *)(record + 8));
		position += ((length & ~DISCARDED) + 8 + 7) & ~7ul;
	}
	__atomic_store_n(consumer, position, __ATOMIC_RELEASE);
}

static void await(int milliseconds)
{
	struct pollfd wanted = { .fd = descriptor, .events = POLLIN };

	poll(&wanted, 1, milliseconds);
	consume();
}

static void close_all(void)
{
	long page = sysconf(_SC_PAGESIZE);

	munmap(consumer, page);
	munmap(producer, page + 2ul * RING_BYTES);
}
