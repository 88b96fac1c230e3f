// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A value that belongs to a cgroup, written when one process makes cgroups. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Newer than the headers of the machines that compile this. */
#define BPF_MAP_TYPE_CGRP_STORAGE 32

struct cgroup;

/* No process until this is set. */
const volatile __u32 target_pid = 0;

struct made {
	__u64 time;
	__u32 by;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct made);
} made SEC(".maps");

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(make, struct cgroup *cgroup, const char *path)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct made *value;

	if (pid != target_pid)
		return 0;
	value = bpf_cgrp_storage_get(&made, cgroup, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!value)
		return 0;
	value->time = bpf_ktime_get_ns();
	value->by = pid;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
