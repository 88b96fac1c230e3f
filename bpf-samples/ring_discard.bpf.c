// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Reserves records of many sizes on request and submits or discards them, for tests of readers: a BPF_PROG_TEST_RUN of
 * `reserve` with the context { __u64 records, __u64 discards } makes that many (MOST at once), of which it discards those whose
 * bit is set in `discards`. The records of an object are numbered from 0 on: record n has the size that n % 8 says, begins with n
 * in four bytes where there is room, and ends with its lowest byte. `next_number` counts all, `events_dropped` those that found
 * no room. Needs kernel 5.10.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define MOST 64

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

__u64 next_number = 0;
__u64 events_dropped = 0;

/* The verifier wants to know the size of what is reserved. */
static __always_inline void reserve_one(__u64 number, __u64 discard, const __u64 size)
{
	__u8 *record = bpf_ringbuf_reserve(&events, size, 0);

	if (!record) {
		events_dropped++;
		return;
	}
	if (size > sizeof(__u32))
		*(__u32 *)record = number;
	record[size - 1] = number;
	if (discard)
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(record, 0);
}

SEC("raw_tp")
int reserve(struct bpf_raw_tracepoint_args *context)
{
	__u64 records = context->args[0];
	__u64 discards = context->args[1];

	for (__u32 index = 0; index < MOST && index < records; index++) {
		__u64 number = next_number++;
		__u64 discard = discards >> index & 1;

		switch (number % 8) {
		case 0:
			reserve_one(number, discard, 16);
			break;
		case 1:
			reserve_one(number, discard, 1);
			break;
		case 2:
			reserve_one(number, discard, 9);
			break;
		case 3:
			reserve_one(number, discard, 64);
			break;
		case 4:
			reserve_one(number, discard, 4088);
			break;
		case 5:
			reserve_one(number, discard, 8);
			break;
		case 6:
			reserve_one(number, discard, 1000);
			break;
		default:
			reserve_one(number, discard, 7777);
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
