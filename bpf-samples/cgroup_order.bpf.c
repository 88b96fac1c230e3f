// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Programs of a cgroup that note the order in which they run when a socket is made. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* One decimal digit for each program that ran, the first in front. */
__u64 order = 0;

#define NOTING(name, digit)                     \
	SEC("cgroup/sock_create")               \
	int name(struct bpf_sock *socket)       \
	{                                       \
		order = order * 10 + digit;     \
		return 1;                       \
	}

NOTING(first, 1)
NOTING(second, 2)
NOTING(third, 3)
NOTING(fourth, 4)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
