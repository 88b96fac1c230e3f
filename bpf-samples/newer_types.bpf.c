// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Types that BTF of kernels before 6.0 has no kinds for: float, tags, 64-bit and signed enumerations. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define tagged __attribute__((btf_type_tag("tagged")))
#define declared __attribute__((btf_decl_tag("declared")))

enum wide { WIDE_ONE = 1, WIDE_LARGE = 1ULL << 40 };
enum small { SMALL_MINUS = -1, SMALL_ONE = 1 };

struct reading {
	enum wide wide;
	enum small small;
	float ratio;
	double precise;
	__u64 tagged *pointer;
} declared;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, enum small);
	__type(value, struct reading);
} readings SEC(".maps");

struct reading first = { WIDE_LARGE, SMALL_MINUS, 0.5, 0.25, 0 };
__u64 calls = 0;

/* A function of its own, so that the types of functions are checked too. */
static __noinline declared __u64 count(__u64 tagged *counter)
{
	return __sync_fetch_and_add(counter, 1);
}

SEC("socket")
int touch(struct __sk_buff *packet)
{
	enum small key = SMALL_ONE;

	count(&calls);
	bpf_map_update_elem(&readings, &key, &first, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
