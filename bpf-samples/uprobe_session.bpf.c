// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* One program at entry and return of functions of a library, filtered to one process, that keeps a value in between. */
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
/* At the entry, asks for no return. */
const volatile bool entry_only = false;

__u64 entries = 0;
__u64 returns = 0;
/* What the entries left for the returns. */
__u64 kept = 0;

SEC("uprobe.session/libc.so.6:?etpriority")
int both(struct pt_regs *context)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	bool is_return = false;
	__u64 *cookie = NULL;

	if (!target_pid || pid != target_pid)
		return 1;
	if (bpf_session_is_return)
		is_return = bpf_session_is_return(context);
	else if (bpf_session_is_return___before)
		is_return = bpf_session_is_return___before();
	if (bpf_session_cookie)
		cookie = bpf_session_cookie(context);
	else if (bpf_session_cookie___before)
		cookie = bpf_session_cookie___before();
	if (!cookie)
		return 1;
	if (is_return) {
		__sync_fetch_and_add(&returns, 1);
		__sync_fetch_and_add(&kept, *cookie);
		return 0;
	}
	__sync_fetch_and_add(&entries, 1);
	*cookie = 7;
	return entry_only;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
