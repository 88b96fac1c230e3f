// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Maps that hold maps and programs from the start, and what else definitions and sections of data can say. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} by_index SEC(".maps") = { .values = { [1] = &first, [3] = &second } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} by_key SEC(".maps") = { .values = { &second, [2] = &first } };

/* No values: the definition of the inner map stands alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, struct inner);
} empty SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_NUMA_NODE);
	__uint(numa_node, 0);
	__type(key, __u32);
	__type(value, __u32);
} on_node SEC(".maps");

int tail_one(struct __sk_buff *packet);
int tail_three(struct __sk_buff *packet);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(struct __sk_buff *));
} tails SEC(".maps") = { .values = { [1] = tail_one, [3] = tail_three } };

/* A static map, which no other object may name. */
static struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unseen SEC(".maps") __attribute__((used));

/* Two programs in each section. */
SEC("socket")
int tail_one(struct __sk_buff *packet)
{
	return 11;
}

SEC("socket")
int tail_three(struct __sk_buff *packet)
{
	return 33;
}

__u32 wanted_tail = 1;
__u32 wanted_slot = 1;
__u64 found = 0;
__u64 found_by_key = 0;
__weak __u32 weak_variable = 5;
__hidden __u32 hidden_variable = 6;
static volatile __u32 static_variable = 7;
__u64 sum = 0;

__hidden __noinline __u64 read_inner(void *outer, __u32 slot)
{
	__u32 zero = 0;
	__u64 *value;
	void *inner = bpf_map_lookup_elem(outer, &slot);

	if (!inner)
		return 1;
	value = bpf_map_lookup_elem(inner, &zero);
	return value ? *value : 2;
}

SEC("socket")
int look(struct __sk_buff *packet)
{
	found = read_inner(&by_index, wanted_slot);
	found_by_key = read_inner(&by_key, wanted_slot);
	sum = weak_variable + hidden_variable + static_variable;
	return 0;
}

SEC("socket")
int jump(struct __sk_buff *packet)
{
	bpf_tail_call(packet, &tails, wanted_tail);
	return 99;
}

/* Its section says nothing: the type is given before the load. */
SEC("filter")
int letters(struct __sk_buff *packet)
{
	/* No variable: the compiler puts the text into a section of strings. */
	const char *text = "letters";

	return text[wanted_slot & 7];
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
