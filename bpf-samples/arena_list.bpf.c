// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A list in an arena: programs and user space follow and set the same pointers. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The headers of Linux 6.1 do not have it. */
#define BPF_MAP_TYPE_ARENA 33
#define __arena __attribute__((address_space(1)))

void __arena *bpf_arena_alloc_pages(void *map, void __arena *address, __u32 pages, int node, __u64 flags) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4); /* pages */
} memory SEC(".maps");

struct node {
	struct node __arena *next;
	__u64 value;
};

struct node __arena *head = 0;
__u64 sum = 0;
__u32 length = 0;

SEC("syscall")
int build(void *context)
{
	struct node __arena *nodes = bpf_arena_alloc_pages(&memory, 0, 1, -1, 0);

	if (!nodes)
		return -1;
	head = 0;
	for (int index = 0; index < 8; index++) {
		nodes[index].value = index + 1;
		nodes[index].next = head;
		head = &nodes[index];
	}
	return 0;
}

SEC("syscall")
int walk(void *context)
{
	struct node __arena *node = head;

	/* A program that casts pointers of an arena must name the arena. */
	asm volatile("" : : "r"(&memory));
	sum = 0;
	length = 0;
	for (int index = 0; index < 64 && node; index++) {
		sum += node->value;
		length++;
		node = node->next;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
