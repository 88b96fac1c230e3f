// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Two programs with a function that others replace or trace. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Global, and not so simple that its result is known without calling it. */
__attribute__((noinline)) int slot(struct xdp_md *context)
{
	volatile int verdict = XDP_PASS;

	return context ? verdict : XDP_ABORTED;
}

SEC("xdp")
int dispatch(struct xdp_md *context)
{
	return slot(context);
}

SEC("xdp")
int dispatch_too(struct xdp_md *context)
{
	return slot(context);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
