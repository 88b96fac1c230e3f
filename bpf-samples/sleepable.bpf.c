// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Programs that may sleep, of every kind of section that says so with `.s`, each on request, since kernels lack many of them.
 * Each reads memory of the process that it runs in, which waits if that is not there yet: the beginning of its command line.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Only kernels without cookies need the address of a probe's instruction, and those have no uprobes that may sleep. */
#undef PT_REGS_IP
#define PT_REGS_IP(context) 0
#include <bpf/usdt.bpf.h>

/* Nothing is read until this is set. */
const volatile __u32 target_pid = 0;
/* Where the command line is in the process's memory. */
const volatile __u64 address = 0;

__u64 runs = 0;
__s64 error = 0;
char text[16] = {};

static __always_inline int read_command_line(void)
{
	if (!target_pid || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	error = bpf_copy_from_user(text, sizeof(text), (void *)address);
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

#define SLEEPABLE(name, section)                                                                                        \
	SEC("?" section) int name(void *context)                                                                        \
	{                                                                                                               \
		return read_command_line();                                                                             \
	}

SLEEPABLE(at_return, "uretprobe.s/libc.so.6:getpriority")
SLEEPABLE(at_several, "uprobe.multi.s/libc.so.6:getpriorit?")
SLEEPABLE(at_several_returns, "uretprobe.multi.s/libc.so.6:getpriorit?")
SLEEPABLE(around, "uprobe.session.s/libc.so.6:getpriorit?")
SLEEPABLE(at_tracepoint, "tracepoint.s/syscalls/sys_enter_getpriority")
SLEEPABLE(at_tp, "tp.s/syscalls/sys_enter_getpriority")
SLEEPABLE(at_raw_tracepoint, "raw_tracepoint.s/sys_enter")
SLEEPABLE(at_raw_tp, "raw_tp.s/sys_enter")
SLEEPABLE(at_tp_btf, "tp_btf.s/sys_enter")
SLEEPABLE(at_hook, "lsm.s/socket_bind")

/* The number of arguments is read for its map: without one this would be no program for probes. */
SEC("?usdt.s")
int at_probe(struct pt_regs *context)
{
	return bpf_usdt_arg_cnt(context) > 0 ? read_command_line() : 0;
}

/* Without FUNCTION_ERROR_INJECTION these are the functions whose programs may sleep: those of test runs. */
SLEEPABLE(at_entry, "fentry.s/bpf_fentry_test1")
SLEEPABLE(at_exit, "fexit.s/bpf_fentry_test1")
SLEEPABLE(in_place, "fmod_ret.s/bpf_fentry_test1")
SLEEPABLE(in_session, "fsession.s/bpf_fentry_test1")

/* Has the kernel call bpf_fentry_test1 when it is run. */
SEC("?fentry/bpf_fentry_test2")
int caller(void *context)
{
	return 0;
}

/* The structure that the kernel has for test runs. */
struct bpf_dummy_ops_state;

struct bpf_dummy_ops {
	int (*test_sleepable)(struct bpf_dummy_ops_state *state);
};

/* Linux 6.12; structures of operations do not have the helper everywhere. */
extern int bpf_copy_from_user_str(void *to, __u32 size, const void *from, __u64 flags) __ksym;

SEC("?struct_ops.s/test_sleepable")
int in_structure(void *context)
{
	int length = bpf_copy_from_user_str(text, sizeof(text), (void *)address, 0);

	error = length < 0 ? length : 0;
	__sync_fetch_and_add(&runs, 1);
	return 0;
}

SEC("?.struct_ops")
struct bpf_dummy_ops dummy = {
	.test_sleepable = (void *)in_structure,
};

char LICENSE[] SEC("license") = "Dual MIT/GPL";
