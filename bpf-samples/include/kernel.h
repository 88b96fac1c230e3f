/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The few kernel types the samples read, with only the members they name: CO-RE finds the real offsets when the
 * object is loaded, so no vmlinux.h is needed and nothing here depends on a kernel version.
 */
#ifndef SAMPLES_KERNEL_H
#define SAMPLES_KERNEL_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	const struct cred *cred;
	char comm[16];
};

struct linux_binprm {
	const char *filename;
};

#pragma clang attribute pop

#endif
