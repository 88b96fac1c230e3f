// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* One program at entry and return of kernel functions, filtered to one process, that hands itself a number in between. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

/* Since Linux 7.0 they take the context. */
extern bool bpf_session_is_return(void *context) __ksym __weak;
extern __u64 *bpf_session_cookie(void *context) __ksym __weak;
extern bool bpf_session_is_return___before(void) __ksym __weak;
extern __u64 *bpf_session_cookie___before(void) __ksym __weak;

/* Nothing is counted until this is set. */
const volatile __u32 target_pid = 0;
/* Whether returns are wanted. */
const volatile __u32 with_returns = 1;

__u64 entries = 0;
__u64 returns = 0;
/* What the entry handed to the return. */
__u64 handed = 0;

static __always_inline bool is_return(void *context)
{
	if (bpf_session_is_return)
		return bpf_session_is_return(context);
	return bpf_session_is_return___before && bpf_session_is_return___before();
}

static __always_inline __u64 *cookie(void *context)
{
	if (bpf_session_cookie)
		return bpf_session_cookie(context);
	return bpf_session_cookie___before ? bpf_session_cookie___before() : NULL;
}

SEC("kprobe.session/security_task_setnice")
int both(struct pt_regs *context)
{
	__u64 *kept;

	if (!target_pid || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 1;
	kept = cookie(context);
	if (!kept)
		return 1;
	if (is_return(context)) {
		__sync_fetch_and_add(&returns, 1);
		handed = *kept;
		return 0;
	}
	*kept = 100 + entries;
	entries += 1;
	return !with_returns;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
