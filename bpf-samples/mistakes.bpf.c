// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* What the verifier refuses most often, one mistake a program: docs/troubleshooting.md explains each. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64[4]);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

__u64 seen = 0;

/* What a lookup returned is used without asking whether it found anything. */
SEC("?raw_tp")
int unchecked(void *context)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	seen = value[0];
	return 0;
}

/* There are four numbers, and this reads the fifth. */
SEC("?raw_tp")
int beyond(void *context)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (value)
		seen = value[4];
	return 0;
}

/* The index may be any number. */
SEC("?raw_tp")
int any_index(void *context)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (value)
		seen = value[(__u32)value[0]];
	return 0;
}

/* An address of the kernel is a number here: nothing says what is there. */
SEC("?raw_tp")
int kernel_address(void *context)
{
	__u64 *task = (void *)bpf_get_current_task();

	seen = *task;
	return 0;
}

/* A record is reserved, and neither submitted nor discarded. */
SEC("?raw_tp")
int kept_record(void *context)
{
	__u64 *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (record)
		*record = 1;
	return 0;
}

/* A helper for messages of sockets. */
SEC("?raw_tp")
int foreign_helper(void *context)
{
	return bpf_msg_apply_bytes(context, 1);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
