// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Kernel functions: called where the kernel has them, and what becomes of those that it does not have. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern void bpf_rcu_read_lock___needed(void) __ksym;
extern void bpf_rcu_read_unlock___needed(void) __ksym;
/* The kernel's takes nothing. */
extern int bpf_rcu_read_lock___other(int how) __ksym;
extern int bpf_no_such_function(__u64 first, void *second) __ksym __weak;
extern int bpf_no_such_needed_function(void *) __ksym;

__u32 locked = 0;
__u32 called = 0;

SEC("raw_tp")
int guarded(void *context)
{
	if (bpf_rcu_read_lock && bpf_rcu_read_unlock) {
		bpf_rcu_read_lock();
		bpf_rcu_read_unlock();
		locked++;
	}
	if (bpf_no_such_function)
		called = bpf_no_such_function(1, context);
	return 0;
}

SEC("?raw_tp")
int needed(void *context)
{
	bpf_rcu_read_lock___needed();
	bpf_rcu_read_unlock___needed();
	locked++;
	return 0;
}

/* Refused by the verifier: nothing asks whether the function is there. */
SEC("?raw_tp")
int unguarded(void *context)
{
	return bpf_no_such_function(1, context);
}

SEC("?raw_tp")
int incompatible(void *context)
{
	return bpf_rcu_read_lock___other(1);
}

SEC("?raw_tp")
int missing(void *context)
{
	return bpf_no_such_needed_function(context);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
