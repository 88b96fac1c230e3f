// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Structures of operations: TCP congestion controls that do nothing, to be registered and never used; and the structure
 * that the kernel has for test runs. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct sock;

/* What the kernel's structure has, in another order, and a member of other kernels. */
struct tcp_congestion_ops {
	char name[16];
	__u32 flags;
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	void (*release)(struct sock *sk);
};

struct tcp_congestion_ops___other {
	char name[16];
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	__u64 (*of_another_kernel)(struct sock *sk);
	__u64 number_of_another_kernel;
};

struct bpf_dummy_ops_state;

struct bpf_dummy_ops {
	int (*test_1)(struct bpf_dummy_ops_state *state);
};

SEC("struct_ops/ssthresh")
__u32 half(__u64 *context)
{
	return 2;
}

SEC("struct_ops/cong_avoid")
void grow(__u64 *context)
{
}

SEC("struct_ops/undo_cwnd")
__u32 undo(__u64 *context)
{
	return 10;
}

SEC("struct_ops")
void only_linked(__u64 *context)
{
}

SEC("struct_ops")
__u64 unknown_member(__u64 *context)
{
	return 1;
}

SEC("struct_ops/test_1")
int answer(__u64 *context)
{
	return 42;
}

SEC(".struct_ops")
struct tcp_congestion_ops registered = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)grow,
	.undo_cwnd = (void *)undo,
	.name = "bpf_registered",
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops linked = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)grow,
	.undo_cwnd = (void *)undo,
	.release = (void *)only_linked,
	.name = "bpf_linked",
};

SEC("?.struct_ops")
struct tcp_congestion_ops___other flavoured = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)grow,
	.undo_cwnd = (void *)undo,
	.of_another_kernel = (void *)unknown_member,
	.name = "bpf_flavoured",
};

SEC("?.struct_ops")
struct bpf_dummy_ops dummy = {
	.test_1 = (void *)answer,
};

char LICENSE[] SEC("license") = "Dual MIT/GPL";
