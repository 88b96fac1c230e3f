// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Programs of routes: each counts, and all return what they are told. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 verdict = BPF_OK;
__u64 came_in = 0;
__u64 went_out = 0;
__u64 left = 0;
__u64 ended = 0;

SEC("lwt_in")
int in(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&came_in, 1);
	return verdict;
}

SEC("lwt_out")
int out(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&went_out, 1);
	return verdict;
}

SEC("lwt_xmit")
int leave(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&left, 1);
	return verdict;
}

/* Takes its place. */
SEC("lwt_xmit")
int leave_too(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&left, 100);
	return BPF_OK;
}

SEC("lwt_seg6local")
int end(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&ended, 1);
	return verdict;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
