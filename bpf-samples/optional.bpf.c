// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Programs that a kernel takes beside some that none does, each for another reason. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

int step(struct __sk_buff *packet);
int unchecked(struct __sk_buff *packet);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} steps SEC(".maps") = { .values = { [0] = (void *)&step, [1] = (void *)&unchecked } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

extern int bpf_no_such_function(int value) __ksym;

__u32 slot = 0;

SEC("socket") int first(struct __sk_buff *packet)
{
	bpf_tail_call(packet, &steps, slot);
	return 99;
}

SEC("socket") int step(struct __sk_buff *packet)
{
	return 7;
}

/* The verifier refuses it: what a lookup returned is used without asking whether it found anything. */
SEC("socket") int unchecked(struct __sk_buff *packet)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	*count += 1;
	return 0;
}

SEC("raw_tp/sched_process_exec") int calls_missing(void *context)
{
	return bpf_no_such_function(1);
}

SEC("tp_btf/no_such_tracepoint") int BPF_PROG(at_missing)
{
	return 0;
}

/* Any kernel loads it, and none can attach it. */
SEC("raw_tp/no_such_tracepoint") int nowhere(void *context)
{
	return 0;
}

SEC("raw_tp/sched_process_exec") int fine(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
