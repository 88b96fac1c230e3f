// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * An exception (Linux 6.7), thrown in a function that a program calls, ends the program: with what its callback makes of
 * the cookie, or with the cookie itself where it names no callback. Thrown for packets of more than 20 bytes.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define exception_callback(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

extern void bpf_throw(__u64 cookie) __ksym;

__u64 thrown = 0;

__noinline int caught(__u64 cookie)
{
	thrown = cookie;
	return cookie + 100;
}

static __noinline __u64 twice(__u64 length)
{
	if (length > 20)
		bpf_throw(length);
	return length * 2;
}

SEC("tc")
exception_callback(caught)
int guarded(struct __sk_buff *packet)
{
	return twice(packet->len) + 1;
}

SEC("tc")
int unguarded(struct __sk_buff *packet)
{
	return twice(packet->len) + 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
