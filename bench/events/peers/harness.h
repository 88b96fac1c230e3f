/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the consumers in C share. consumer <id of the ring> <id of the perf event array>, then for each line:
 *
 *	open ring|perf       ready
 *	drain N              CPU nanoseconds, records, sum of their values
 *	stream MS HOW        CPU nanoseconds, records, voluntary switches, latency in ns of the median and of the 99th percentile
 *	close                closed
 *
 * HOW: wake (as the kernel says), linger (and then a millisecond more), poll (each millisecond, whatever the kernel says).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <time.h>
#include <unistd.h>

#define PERF_PAGES 1024 /* 4 MiB */
#define MOST_LATENCIES 100000

struct event {
	uint64_t number;
	uint64_t ts;
	uint64_t bytes;
	uint32_t pid;
	uint32_t value;
	char comm[32];
};

/* Told by each consumer. consume() takes what is there, await() waits for it and takes it. */
static void open_ring(int map);
static void open_perf(int map);
static void consume(void);
static void await(int milliseconds);
static void close_all(void);

static uint64_t received, sum;
static uint64_t latencies[MOST_LATENCIES];
static int timed;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static inline void take(const struct event *event)
{
	if (timed && received < MOST_LATENCIES)
		latencies[received] = clock_ns(CLOCK_MONOTONIC) - event->ts;
	received++;
	sum += event->value;
}

static int open_map(const char *id)
{
	union bpf_attr attr = {};

	sscanf(id, "%u", &attr.map_id);
	return syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
}

static void sleep_millisecond(void)
{
	struct timespec time = { 0, 1000000 };

	nanosleep(&time, NULL);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static void stream(uint64_t milliseconds, const char *how)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + milliseconds * 1000000;
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	long before = switches();
	uint64_t count;

	while (clock_ns(CLOCK_MONOTONIC) < end) {
		if (how[0] == 'p') {
			sleep_millisecond();
		} else {
			await(20);
			if (how[0] == 'l')
				sleep_millisecond();
		}
		consume();
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	count = timed ? received < MOST_LATENCIES ? received : MOST_LATENCIES : 0;
	qsort(latencies, count, sizeof(latencies[0]), compare);
	printf("%lu %lu %ld %lu %lu\n", cpu, received, switches() - before, count ? latencies[count / 2] : 0,
	       count ? latencies[count * 99 / 100] : 0);
}

int main(int count, char **words)
{
	char line[64], word[16];
	uint64_t number;
	int ring = open_map(words[1]), perf = open_map(words[2]);

	if (count != 3 || ring < 0 || perf < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		received = sum = timed = 0;
		if (sscanf(line, "open %15s", word) == 1) {
			if (word[0] == 'r')
				open_ring(ring);
			else
				open_perf(perf);
			puts("ready");
		} else if (sscanf(line, "drain %lu", &number) == 1) {
			uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

			while (received < number)
				consume();
			printf("%lu %lu %lu\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, received, sum);
		} else if (sscanf(line, "timed %lu %15s", &number, word) == 2) {
			timed = 1;
			stream(number, word);
		} else if (sscanf(line, "stream %lu %15s", &number, word) == 2) {
			stream(number, word);
		} else {
			close_all();
			puts("closed");
		}
		fflush(stdout);
	}
	return 0;
}
