// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Memory that programs and user space share: an arena with global variables in it. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* The headers of Linux 6.1 do not have it. */
#define BPF_MAP_TYPE_ARENA 33
#define __arena __attribute__((address_space(1)))
#define __arena_global __arena SEC(".addr_space.1")

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16); /* pages */
	enum { map_extra__value = 1ull << 44 } map_extra; /* where user space has it */
} memory SEC(".maps");

__u32 __arena_global runs = 5;
__u64 __arena_global total = 0;
char __arena_global label[8] = "arena";

__u64 outside = 0;

SEC("syscall")
int touch(void *context)
{
	__u64 __arena *place = &total;

	runs++;
	*place += runs;
	label[0] = 'A';
	outside = *place;
	return runs;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
