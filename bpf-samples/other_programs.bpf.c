// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Programs of kinds that few objects have, each on request, since kernels lack some of them. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Nothing is counted or changed until this is set. */
const volatile __u32 target_pid = 0;

__u64 runs = 0;
__u64 calls_in_session = 0;

struct task_struct;
struct socket;
struct sockaddr;

static __always_inline int is_target(void)
{
	return target_pid && bpf_get_current_pid_tgid() >> 32 == target_pid;
}

/* Forbids one process to change a priority; security hooks can be modified in every kernel. */
SEC("?fmod_ret/security_task_setnice")
int BPF_PROG(modify, struct task_struct *task, int nice, int returned)
{
	if (!is_target())
		return 0;
	__sync_fetch_and_add(&runs, 1);
	return -1; /* EPERM */
}

/* Runs twice for each call. */
SEC("?fsession/security_task_setnice")
int BPF_PROG(around, struct task_struct *task, int nice, int returned)
{
	if (is_target())
		__sync_fetch_and_add(&calls_in_session, 1);
	return 0;
}

/* Forbids all of a cgroup to bind. */
SEC("?lsm_cgroup/socket_bind")
int BPF_PROG(may_bind, struct socket *socket, struct sockaddr *address, int length)
{
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

/* Arguments and result of the kernel's functions for test runs: of one argument, and of as many as registers take. */
__s64 arguments[6] = {};
__s64 result = 0;

SEC("?fexit/bpf_fentry_test1")
int after_one(__u64 *context)
{
	arguments[0] = (int)context[0];
	result = (int)context[1];
	return 0;
}

SEC("?fexit/bpf_fentry_test6")
int after_six(__u64 *context)
{
	arguments[0] = context[0];
	arguments[1] = context[1];
	arguments[2] = (short)context[2];
	arguments[3] = (int)context[3];
	arguments[4] = context[4];
	arguments[5] = context[5];
	result = (int)context[6];
	return 0;
}

/* At the end of a test run; its argument is the error that the run ends with. */
SEC("?raw_tp.w/bpf_test_finish")
int change_error(struct bpf_raw_tracepoint_args *context)
{
	int *error = (int *)context->args[0];

	if (!is_target())
		return 0;
	__sync_fetch_and_add(&runs, 1);
	*error = -84; /* EILSEQ */
	return 0;
}

SEC("?raw_tp")
int nothing(void *context)
{
	return 0;
}

SEC("?xdp")
int pass(struct xdp_md *context)
{
	return XDP_PASS;
}

/* An action of traffic control. */
SEC("?action")
int act(struct __sk_buff *context)
{
	__sync_fetch_and_add(&runs, 1);
	context->mark += 1;
	return 2; /* TC_ACT_SHOT */
}

struct sum_request {
	__u64 first;
	__u64 second;
	__u64 sum;
};

SEC("?syscall")
int add(struct sum_request *request)
{
	request->sum = request->first + request->second;
	return 7;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
