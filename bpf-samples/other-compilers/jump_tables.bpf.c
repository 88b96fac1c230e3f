// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Where `switch` becomes an indirect jump (Linux 6.19): in a function that two programs each have a copy of, and in one of
 * the programs, behind the other in its section. A test run takes the way that its argument says and returns its number.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

__u64 seen = 0;

static __noinline int shared(__u64 way)
{
	switch (way) {
	case 0:
		__sync_fetch_and_add(&seen, 1);
		return 12;
	case 1:
		__sync_fetch_and_add(&seen, 20);
		return 5;
	case 2:
		__sync_fetch_and_add(&seen, 300);
		return 9;
	case 3:
		__sync_fetch_and_add(&seen, 4000);
		return 101;
	case 4:
		__sync_fetch_and_or(&seen, 1 << 20);
		return 32;
	default:
		return 4;
	}
}

SEC("raw_tp")
int first(__u64 *arguments)
{
	return shared(arguments[0]);
}

SEC("raw_tp")
int second(__u64 *arguments)
{
	int number = shared(arguments[0] + 1);

	switch (arguments[0]) {
	case 0:
		__sync_fetch_and_add(&seen, 50000);
		break;
	case 1:
		__sync_fetch_and_or(&seen, 1 << 21);
		number += 1000;
		break;
	case 2:
		__sync_fetch_and_xor(&seen, 1 << 22);
		number += 2000;
		break;
	case 3:
		__sync_fetch_and_and(&seen, 15);
		break;
	case 4:
		seen = 7;
		break;
	}
	return number;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
