// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Runs the programs that write records: producer <id of ring> <id of perf>. For each line `ring|perf records flags
 * rate milliseconds`: with rate 0 writes the records once, with 1 over and over, else that many a second, `records` at a
 * time. Answers `done`.
 */
#include <stdint.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int call(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int program(const char *id)
{
	union bpf_attr attr = {};

	sscanf(id, "%u", &attr.prog_id);
	return call(BPF_PROG_GET_FD_BY_ID, &attr);
}

int main(int count, char **words)
{
	char kind[8];
	uint64_t context[2], rate, milliseconds;
	int ring = program(words[1]), perf = program(words[2]);

	if (count != 3 || ring < 0 || perf < 0)
		return 1;
	while (scanf("%7s %lu %lu %lu %lu", kind, &context[0], &context[1], &rate, &milliseconds) == 5) {
		union bpf_attr attr = {};
		uint64_t start = now(), end = start + milliseconds * 1000000, runs = 0;

		attr.test.prog_fd = kind[0] == 'r' ? ring : perf;
		attr.test.ctx_in = (uintptr_t)context;
		attr.test.ctx_size_in = sizeof(context);
		do {
			uint64_t due = rate > 1 ? start + runs * context[0] * 1000000000 / rate : 0;

			while (now() < due)
				;
			if (call(BPF_PROG_TEST_RUN, &attr))
				return 1;
			runs++;
		} while (rate && now() < end);
		puts("done");
		fflush(stdout);
	}
	return 0;
}
