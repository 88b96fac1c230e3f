// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Probes that a program was built with, filtered to one process; test/fixtures/probes has such a program. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Where the address of the instruction is in what the kernel shows of a process: it depends on the architecture. */
const volatile __u32 ip_offset = 0;

/* Only of kernels without cookies, which find the description of a probe by its address. */
static __always_inline unsigned long address_of(void *context)
{
	unsigned long address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), context + ip_offset);
	return address;
}
#undef PT_REGS_IP
#define PT_REGS_IP(context) address_of(context)
#include <bpf/usdt.bpf.h>

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;

#define ARGUMENTS 8
__u64 calls = 0;
__s64 count = 0;
__s64 cookie = 0;
__s64 values[ARGUMENTS] = {};
__s64 errors[ARGUMENTS] = {};

__u64 twice_calls = 0;
__s64 twice_sum = 0;
__u64 guarded_calls = 0;

static __always_inline int is_watched(void)
{
	return target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid;
}

SEC("usdt")
int forms(struct pt_regs *context)
{
	long value;

	if (!is_watched())
		return 0;
	__sync_fetch_and_add(&calls, 1);
	count = bpf_usdt_arg_cnt(context);
	cookie = bpf_usdt_cookie(context);
#pragma unroll
	for (int index = 0; index < ARGUMENTS; index++) {
		errors[index] = bpf_usdt_arg(context, index, &value);
		values[index] = value;
	}
	return 0;
}

SEC("usdt")
int twice(struct pt_regs *context)
{
	long value;

	if (!is_watched())
		return 0;
	__sync_fetch_and_add(&twice_calls, 1);
	bpf_usdt_arg(context, 0, &value);
	__sync_fetch_and_add(&twice_sum, value);
	return 0;
}

SEC("usdt")
int guarded(struct pt_regs *context)
{
	if (is_watched())
		__sync_fetch_and_add(&guarded_calls, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
