// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Accepted, but only after the verifier has walked more than half of the million instructions it allows: it follows a
 * bounded loop round by round, remembers in each that the other branch is still to be walked, and stays below the
 * 8,192 of those it allows. Takes 250 to 450 ms on a machine of 2024.
 */
#include <linux/types.h>
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define ROUNDS 8000
#define SLOTS 32

__u64 answer = 0;

SEC("raw_tp")
int slow(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	volatile __u64 slots[SLOTS] = {};
	__u64 sum = BPF_CORE_READ(task, pid), value = sum;

	for (__u32 i = 0; i < ROUNDS; i++) {
		value = value * 6364136223846793005ULL + 1442695040888963407ULL;
		slots[0] = value;
		sum ^= value >> 3;
		slots[7] = i;
		sum += slots[15];
		slots[15] = sum;
		value ^= sum << 5;
		slots[31] = value;
		if (value & (1ULL << 40))
			slots[16] = sum;
		else
			slots[16] = value >> 11;
		sum ^= slots[0];
		/* The compiler must neither unroll nor vectorise this. */
		asm volatile("" : "+r"(sum), "+r"(value));
	}
	answer = sum;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
