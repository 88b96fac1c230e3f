// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A program in a section whose name says no program type: it parses, loading it is the mistake. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tracepiont/sys_enter")
int misspelt(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
