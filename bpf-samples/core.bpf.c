// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Every CO-RE relocation kind once, each value reported in the one element of `results`: run `report` by a test run
 * and compare with the kernel's BTF. Names that end in ___old, ___new are flavours of the same kernel type.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

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
	unsigned int sched_reset_on_fork : 1;
	unsigned int in_execve : 1;
};

/* The type as an older and a newer kernel might have it: same name but for the flavour. */
struct task_struct___old {
	long state;
	int gone_for_good;
};

struct task_struct___new {
	unsigned int __state;
};

struct no_such_struct {
	int member;
};

/* The shape, but not the types, of the kernel's. */
struct callback_head___other {
	int next;
};

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
} __attribute__((aligned(sizeof(void *))));

#pragma clang attribute pop

typedef int pid_t;
typedef int no_such_typedef;

enum pid_type {
	PIDTYPE_PID = 100, /* not the kernel's value */
	PIDTYPE_TGID,
	PIDTYPE_PGID,
	PIDTYPE_SID,
};

enum pid_type___missing {
	PIDTYPE_NONE___missing = 55,
};

struct results {
	/* Values read through relocated accesses. */
	__u32 pid;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 grandparent_tgid;
	__u32 uid;
	__u32 in_execve;
	__u32 reset_on_fork;
	__u32 state_bytes; /* of __state, or of state before kernel 5.14 */
	char comm[16];
	/* BPF_CORE_FIELD_* */
	__u64 byte_offset;	 /* task_struct.real_parent */
	__u64 nested_offset;	 /* cred.uid.val */
	__u64 element_offset;	 /* task_struct.comm[3] */
	__u64 byte_size;	 /* task_struct.comm */
	__u64 exists;		 /* task_struct.pid */
	__u64 exists_not;	 /* task_struct.gone_for_good */
	__u64 signed_yes;	 /* task_struct.pid */
	__u64 signed_no;	 /* task_struct.in_execve */
	__u64 left_shift;	 /* task_struct.in_execve */
	__u64 right_shift;	 /* task_struct.in_execve */
	__u64 bit_field_offset;	 /* task_struct.in_execve: of the storage unit to load */
	__u64 bit_field_size;	 /* task_struct.in_execve: of the storage unit to load */
	/* BPF_CORE_TYPE_* */
	__u64 type_id_local;	 /* struct task_struct in this object's BTF */
	__u64 type_id_target;	 /* struct task_struct in the kernel's BTF */
	__u64 type_exists;	 /* struct task_struct */
	__u64 type_exists_not;	 /* struct no_such_struct */
	__u64 typedef_exists;	 /* pid_t */
	__u64 typedef_exists_not;
	__u64 type_size;	 /* struct task_struct */
	__u64 type_size_missing; /* struct no_such_struct: 0 */
	__u64 type_matches;	 /* struct callback_head */
	__u64 type_matches_not;	 /* struct callback_head___other */
	/* BPF_CORE_ENUMVAL_* */
	__u64 enum_exists;	 /* PIDTYPE_SID */
	__u64 enum_exists_not;	 /* PIDTYPE_NONE */
	__u64 enum_value;	 /* PIDTYPE_SID */
	__u64 enum_first_value;	 /* PIDTYPE_PID */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct results);
} results SEC(".maps");

SEC("raw_tp")
int report(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct___old *old = (void *)task;
	struct task_struct___new *new = (void *)task;
	struct cred *cred = 0;
	struct results *r;
	__u32 zero = 0;

	r = bpf_map_lookup_elem(&results, &zero);
	if (!r)
		return 0;

	r->pid = BPF_CORE_READ(task, pid);
	r->tgid = BPF_CORE_READ(task, tgid);
	r->parent_tgid = BPF_CORE_READ(task, real_parent, tgid);
	r->grandparent_tgid = BPF_CORE_READ(task, real_parent, real_parent, tgid);
	r->uid = BPF_CORE_READ(task, cred, uid.val);
	r->in_execve = BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	r->reset_on_fork = BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	r->state_bytes = bpf_core_field_exists(new->__state) ? bpf_core_field_size(new->__state) :
							       bpf_core_field_size(old->state);
	bpf_core_read_str(r->comm, sizeof(r->comm), &task->comm);

	r->byte_offset = bpf_core_field_offset(task->real_parent);
	r->nested_offset = bpf_core_field_offset(cred->uid.val);
	r->element_offset = bpf_core_field_offset(task->comm[3]);
	r->byte_size = bpf_core_field_size(task->comm);
	r->exists = bpf_core_field_exists(task->pid);
	r->exists_not = bpf_core_field_exists(old->gone_for_good);
	r->signed_yes = __builtin_preserve_field_info(task->pid, BPF_FIELD_SIGNED);
	r->signed_no = __builtin_preserve_field_info(task->in_execve, BPF_FIELD_SIGNED);
	r->left_shift = __builtin_preserve_field_info(task->in_execve, BPF_FIELD_LSHIFT_U64);
	r->right_shift = __builtin_preserve_field_info(task->in_execve, BPF_FIELD_RSHIFT_U64);
	r->bit_field_offset = __builtin_preserve_field_info(task->in_execve, BPF_FIELD_BYTE_OFFSET);
	r->bit_field_size = __builtin_preserve_field_info(task->in_execve, BPF_FIELD_BYTE_SIZE);

	r->type_id_local = bpf_core_type_id_local(struct task_struct);
	r->type_id_target = bpf_core_type_id_kernel(struct task_struct);
	r->type_exists = bpf_core_type_exists(struct task_struct);
	r->type_exists_not = bpf_core_type_exists(struct no_such_struct);
	r->typedef_exists = bpf_core_type_exists(pid_t);
	r->typedef_exists_not = bpf_core_type_exists(no_such_typedef);
	r->type_size = bpf_core_type_size(struct task_struct);
	r->type_size_missing = bpf_core_type_size(struct no_such_struct);
	r->type_matches = bpf_core_type_matches(struct callback_head);
	r->type_matches_not = bpf_core_type_matches(struct callback_head___other);

	r->enum_exists = bpf_core_enum_value_exists(enum pid_type, PIDTYPE_SID);
	r->enum_exists_not = bpf_core_enum_value_exists(enum pid_type___missing, PIDTYPE_NONE___missing);
	r->enum_value = bpf_core_enum_value(enum pid_type, PIDTYPE_SID);
	r->enum_first_value = bpf_core_enum_value(enum pid_type, PIDTYPE_PID);

	/* A use that no kernel can satisfy, guarded: must load, its instructions made unreachable. */
	if (bpf_core_field_exists(old->gone_for_good))
		r->exists_not += BPF_CORE_READ(old, gone_for_good);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
