// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Program arrays, one of each type of program that can be test-run: empty at first, and filled by user space. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* Which slot the programs jump to. */
__u32 slot = 0;
/* How often the program of a slot ran. */
__u64 reached = 0;

/* What a program returns when there is nothing in the slot. */
#define NOT_TAKEN 99
#define TAKEN 7

struct programs {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
};

struct programs packets SEC(".maps");
struct programs frames SEC(".maps");
struct programs traffic SEC(".maps");
struct programs traces SEC(".maps");
/* No program jumps through it: it belongs to no type until one is put into it. */
struct programs unowned SEC(".maps");

SEC("socket")
int packet_from(struct __sk_buff *context)
{
	bpf_tail_call(context, &packets, slot);
	return NOT_TAKEN;
}

SEC("socket")
int packet_to(struct __sk_buff *context)
{
	__sync_fetch_and_add(&reached, 1);
	return TAKEN;
}

SEC("xdp")
int frame_from(struct xdp_md *context)
{
	bpf_tail_call(context, &frames, slot);
	return NOT_TAKEN;
}

SEC("xdp")
int frame_to(struct xdp_md *context)
{
	__sync_fetch_and_add(&reached, 1);
	return TAKEN;
}

SEC("tc")
int traffic_from(struct __sk_buff *context)
{
	bpf_tail_call(context, &traffic, slot);
	return NOT_TAKEN;
}

SEC("tc")
int traffic_to(struct __sk_buff *context)
{
	__sync_fetch_and_add(&reached, 1);
	return TAKEN;
}

SEC("raw_tp")
int trace_from(void *context)
{
	bpf_tail_call(context, &traces, slot);
	return NOT_TAKEN;
}

/* Jumps to a slot that is known when it is compiled, which the kernel makes a direct jump. */
SEC("raw_tp")
int trace_fixed(void *context)
{
	bpf_tail_call(context, &traces, 1);
	return NOT_TAKEN;
}

SEC("raw_tp")
int trace_to(void *context)
{
	__sync_fetch_and_add(&reached, 1);
	return TAKEN;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
