// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Arguments of probes as libbpf's usdt.bpf.h has them described from 1.7 on, those in memory by two registers among them. The
 * descriptions are read here by hand, so that this is tested whichever libbpf the samples are compiled with.
 */
#include <linux/errno.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* struct __bpf_usdt_arg_spec: its bit-fields of 16 bits begin at a boundary of 16 bits. */
struct argument {
	__u64 offset;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	__u8 type;
	__u8 : 8;
	__u16 index_register : 12;
	__u16 scale : 4;
	__u16 : 16;
#else
	__u16 : 16;
	__u16 index_register : 12;
	__u16 scale : 4;
	__u8 type;
	__u8 : 8;
#endif
	__s16 base_register;
	bool is_signed;
	__u8 shift;
};

/* enum __bpf_usdt_arg_type */
enum { CONSTANT, REGISTER, MEMORY, INDEXED };

#define MOST_ARGUMENTS 12
struct description {
	struct argument arguments[MOST_ARGUMENTS];
	__u64 cookie;
	__s16 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct description);
} __bpf_usdt_specs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, __u32);
} __bpf_usdt_ip_to_spec_id SEC(".maps");

extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;

/* Nothing is read until this is set. */
const volatile __u32 target_pid = 0;
/* Where the address of the instruction is in struct pt_regs. */
const volatile __u32 ip_offset = 0;

#define ARGUMENTS 8
__u64 calls = 0;
__s64 count = 0;
__u64 cookie = 0;
__u32 types[ARGUMENTS] = {};
__s64 values[ARGUMENTS] = {};
__s64 errors[ARGUMENTS] = {};

static __always_inline __u64 register_at(void *context, __u32 offset)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), context + offset);
	return value;
}

static __always_inline long read_value(void *context, struct argument *argument, __s64 *result)
{
	__u64 value = argument->offset;
	long error;

	if (argument->type > INDEXED || argument->shift >= 64)
		return -EINVAL;
	if (argument->type != CONSTANT) {
		value = register_at(context, argument->base_register);
		if (argument->type == INDEXED)
			value += register_at(context, argument->index_register) << argument->scale;
		if (argument->type != REGISTER) {
			error = bpf_probe_read_user(&value, sizeof(value), (void *)(value + argument->offset));
			if (error)
				return error;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
			value >>= argument->shift;
#endif
		}
	}
	value <<= argument->shift;
	*result = argument->is_signed ? (__s64)value >> argument->shift : (__s64)(value >> argument->shift);
	return 0;
}

static __always_inline struct description *description_of(void *context)
{
	__u64 address;
	__u32 id, *found;

	if (LINUX_HAS_BPF_COOKIE) {
		id = bpf_get_attach_cookie(context);
	} else {
		address = register_at(context, ip_offset);
		found = bpf_map_lookup_elem(&__bpf_usdt_ip_to_spec_id, &address);
		if (!found)
			return 0;
		id = *found;
	}
	return bpf_map_lookup_elem(&__bpf_usdt_specs, &id);
}

SEC("usdt")
int forms(struct pt_regs *context)
{
	struct description *description;

	if (!target_pid || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	description = description_of(context);
	if (!description)
		return 0;
	__sync_fetch_and_add(&calls, 1);
	count = description->count;
	cookie = description->cookie;
#pragma unroll
	for (int index = 0; index < ARGUMENTS; index++) {
		types[index] = description->arguments[index].type;
		errors[index] = read_value(context, &description->arguments[index], &values[index]);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
