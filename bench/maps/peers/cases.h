// SPDX-License-Identifier: MIT OR Apache-2.0
/* The loops of the two C programs, which say before what a lookup, an update, a deletion and a batch are. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MASK (ENTRIES - 1)
/* Odd: each key once in ENTRIES steps, in an order that no cache foresees. */
#define STEP 0x9e3779b1u
#define BATCH 4096

struct connection {
	uint64_t bytes;
	uint64_t started;
	uint32_t packets;
	uint32_t process;
	uint16_t port;
	uint16_t flags;
};

static uint32_t next_key, keys[BATCH];
static uint64_t sum, values[BATCH * sizeof(struct connection) / 8];
static int hash, small_hash, structs, array;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static uint32_t random_key(uint32_t mask)
{
	next_key += STEP;
	return next_key & mask;
}

static void require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void lookups(int map, uint32_t mask, long count)
{
	for (long index = 0; index < count; index++) {
		uint32_t key = random_key(mask);
		uint64_t value;

		require(lookup(map, &key, &value) == 0, "lookup");
		sum += value;
	}
}

static void gets(long count)
{
	for (long index = 0; index < count; index++) {
		uint32_t key = random_key(MASK);
		struct connection value;

		require(lookup(structs, &key, &value) == 0, "lookup");
		sum += value.bytes + value.started + value.packets + value.process + value.port + value.flags;
	}
}

static void updates(long count)
{
	for (long index = 0; index < count; index++) {
		uint32_t key = random_key(MASK);
		uint64_t value = index;

		require(update(hash, &key, &value) == 0, "update");
	}
}

static void deletions(long count)
{
	for (long index = 0; index < count; index++) {
		uint32_t key = random_key(MASK);

		require(erase(hash, &key) == 0, "delete");
	}
}

static long iterate(int map, size_t value_size)
{
	uint32_t position = 0, count;
	long total = 0;
	int first = 1, result;

	do {
		count = BATCH;
		result = batch(map, first ? NULL : &position, &position, keys, values, &count);
		require(result == 0 || errno == ENOENT, "batch");
		for (uint32_t index = 0; index < count; index++) {
			if (value_size == 8) {
				sum += keys[index] + values[index];
			} else {
				struct connection *value = (struct connection *)values + index;

				sum += keys[index] + value->bytes + value->started + value->packets + value->process + value->port +
				       value->flags;
			}
		}
		total += count;
		first = 0;
	} while (result == 0);
	return total;
}

/* For each line `case operations`: CPU nanoseconds and the operations done. */
static int serve(char **ids)
{
	char name[32];
	long count;

	hash = open_map(atoi(ids[1]));
	small_hash = open_map(atoi(ids[2]));
	structs = open_map(atoi(ids[3]));
	array = open_map(atoi(ids[4]));
	require(hash >= 0 && small_hash >= 0 && structs >= 0 && array >= 0, "open");
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%31s %ld", name, &count) == 2) {
		uint32_t first = next_key;
		double start = now(), end;

		if (!strcmp(name, "lookup"))
			lookups(hash, MASK, count);
		else if (!strcmp(name, "small"))
			lookups(small_hash, 15, count);
		else if (!strcmp(name, "array"))
			lookups(array, MASK, count);
		else if (!strcmp(name, "get"))
			gets(count);
		else if (!strcmp(name, "update"))
			updates(count);
		else if (!strcmp(name, "delete"))
			deletions(count);
		else if (!strcmp(name, "iterate"))
			count = iterate(hash, 8);
		else if (!strcmp(name, "iterate-structs"))
			count = iterate(structs, sizeof(struct connection));
		else
			count = 0;
		end = now();
		if (!strcmp(name, "delete")) {
			next_key = first;
			updates(count);
		}
		printf("%.0f %ld\n", end - start, count);
	}
	return sum == 1;
}
