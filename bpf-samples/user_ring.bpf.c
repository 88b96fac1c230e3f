// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Drains a user ring buffer: a BPF_PROG_TEST_RUN of `drain` takes up to as many commands as its callback is asked for by
 * `most` (0: all that are there) and keeps what it saw in global variables. Needs kernel 6.1.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct command {
	__u64 number;
	__u32 kind;
	__u32 extra;
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

const struct command *unused_command __attribute__((unused));

__u64 most = 0;
__u64 drained = 0;
__u64 sum = 0;
__u64 bytes = 0;
__u64 last = 0;
__u64 wrong = 0;
__s64 result = 0;

static long take(struct bpf_dynptr *record, void *context)
{
	struct command command = {};
	__u64 *left = context;

	if (bpf_dynptr_read(&command, sizeof(command), record, 0, 0)) {
		wrong++;
		return 0;
	}
	drained++;
	sum += command.number;
	last = command.number;
	bytes += command.extra;
	/* 1 ends the drain. */
	return *left && --*left == 0;
}

SEC("raw_tp")
int drain(void *context)
{
	__u64 left = most;

	result = bpf_user_ringbuf_drain(&commands, take, &left, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
