// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A value that belongs to a file, written when one process opens files. */
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode;

struct file {
	struct inode *f_inode;
};

#pragma clang attribute pop

/* No process until this is set. */
const volatile __u32 target_pid = 0;

struct opened {
	__u64 count;
	__u32 by;
};

struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct opened);
} opened SEC(".maps");

SEC("lsm/file_open")
int BPF_PROG(open, struct file *file, int result)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct opened *value;

	if (result || pid != target_pid)
		return result;
	value = bpf_inode_storage_get(&opened, file->f_inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (value) {
		value->count++;
		value->by = pid;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
