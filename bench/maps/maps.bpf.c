// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* The maps and the variable that bench/maps measures. ENTRIES is given when it is compiled. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct connection {
	__u64 bytes;
	__u64 started;
	__u32 packets;
	__u32 process;
	__u16 port;
	__u16 flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} small SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, struct connection);
} structs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

__u32 counter32 = 1;
__u64 counter64 = 1;

SEC("socket")
int count(void *context)
{
	counter32++;
	counter64++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
