// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Watches what the kernel's security hooks are asked, and forbids what rules forbid. Each hook has two programs: one of the
 * security module of BPF, which can forbid, and one at the entry of the same function (`fentry`), which can only tell, for
 * kernels on which that module is not active. At most one of the two is loaded.
 *
 * Rules about files are kept by inode, so that no other spelling of a path, link or mount leads around them: one for a
 * directory is for all that is below it. A file that does not exist yet is known by its directory and its name.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "../../bpf-samples/include/node_ebpf_events.h"

#define EPERM 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define SOCK_PACKET 10
#define FMODE_WRITE 2
#define S_IFMT 00170000
#define S_IFREG 0100000
/* enum kernel_read_file_id, kernel_load_data_id of include/linux/kernel_read_file.h */
#define READING_MODULE 2

#define LEVELS 20
#define NAME_SIZE 40

enum kind { FORK, EXIT, EXEC, WRITE, REMOVE, RENAME, LINK, CHMOD, CONNECT, BIND, RAW_SOCKET, MODULE, BPF, SETUID, PTRACE, MOUNT };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
typedef struct { __u32 val; } kuid_t;
struct super_block { __u32 s_dev; };
struct inode { unsigned long i_ino; __u16 i_mode; struct super_block *i_sb; };
struct qstr { const unsigned char *name; };
struct dentry { struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; };
struct vfsmount { struct dentry *mnt_root; };
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { struct path f_path; __u32 f_mode; struct inode *f_inode; };
struct cred { kuid_t uid; kuid_t euid; };
struct mm_struct { struct file *exe_file; };
struct task_struct {
	int pid;
	int tgid;
	struct task_struct *real_parent;
	const struct cred *cred;
	struct mm_struct *mm;
	char comm[16];
};
struct linux_binprm { struct file *file; };
struct sockaddr { __u16 sa_family; };
struct socket;
#pragma clang attribute pop

/* As they travel: fixed by the protocols. */
struct ipv4_name { __u16 family; __be16 port; __u8 address[4]; };
struct ipv6_name { __u16 family; __be16 port; __u32 flow; __u8 address[16]; };

struct event {
	__u64 time;
	__u64 cgroup;
	__u32 kind;
	__u32 pid;
	__u32 parent;
	__u32 uid;
	/* What is done: a child's process id, a user id, a command of bpf(2), an access mode. */
	__u32 argument;
	__s32 rule; /* -1: none is about it */
	__u16 port;
	__u8 family;
	__u8 denied;
	__u8 address[16];
	char comm[16];
	/* A path's names, the last first; those of roots of mounts are empty. */
	__u32 depth;
	char names[LEVELS][NAME_SIZE];
};
struct event event_type;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} events SEC(".maps");
EVENTS_DROPPED(events);

/* What a rule is about: a kind of event; and a file, by inode or by a name in a directory, or a port, or neither. */
struct subject {
	__u64 inode;
	__u32 device;
	__u32 kind;
	__u32 port;
	char name[NAME_SIZE];
};

struct verdict {
	__u32 rule;
	_Bool deny;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct subject);
	__type(value, struct verdict);
} rules SEC(".maps");

/* Programs to which nothing is forbidden, by inode. Of a subject only inode and device count. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct subject);
	__type(value, __u32);
} trusted SEC(".maps");

/* A place for what is too large for the stack. */
struct scratch {
	struct subject subject;
	struct event event;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

const volatile __u32 own_pid = 0;

static __always_inline struct scratch *start(enum kind kind)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 zero = 0, pid = bpf_get_current_pid_tgid() >> 32;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	struct event *event;

	if (!scratch || pid == own_pid)
		return 0;
	event = &scratch->event;
	__builtin_memset(&scratch->subject, 0, sizeof(scratch->subject));
	__builtin_memset(event, 0, sizeof(*event) - sizeof(event->names));
	scratch->subject.kind = kind;
	event->time = bpf_ktime_get_boot_ns();
	event->cgroup = bpf_get_current_cgroup_id();
	event->kind = kind;
	event->pid = pid;
	event->parent = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = bpf_get_current_uid_gid();
	event->rule = -1;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	return scratch;
}

/* Takes the rule for what the subject says, unless one was found before. */
static __always_inline void judge(struct scratch *scratch)
{
	struct verdict *verdict;

	if (scratch->event.rule >= 0)
		return;
	verdict = bpf_map_lookup_elem(&rules, &scratch->subject);
	if (!verdict)
		return;
	scratch->event.rule = verdict->rule;
	scratch->event.denied = verdict->deny;
}

static __always_inline void judge_inode(struct scratch *scratch, struct inode *inode)
{
	scratch->subject.inode = BPF_CORE_READ(inode, i_ino);
	scratch->subject.device = BPF_CORE_READ(inode, i_sb, s_dev);
	judge(scratch);
}

/* Writes the names of a path and looks for rules about the file and the directories it is in, over mounts up to the root. */
static __always_inline void follow(struct scratch *scratch, struct vfsmount *vfsmount, struct dentry *dentry)
{
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	struct event *event = &scratch->event;
	struct dentry *parent, *first = dentry;
	struct mount *above;

	for (int level = 0; level < LEVELS; level++) {
		parent = BPF_CORE_READ(dentry, d_parent);
		event->names[level][0] = 0;
		event->depth = level + 1;
		judge_inode(scratch, BPF_CORE_READ(dentry, d_inode));
		if (dentry == parent || dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			above = BPF_CORE_READ(mount, mnt_parent);
			if (above == mount)
				break;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		bpf_probe_read_kernel_str(event->names[level], NAME_SIZE, BPF_CORE_READ(dentry, d_name.name));
		dentry = parent;
	}
	/* The file itself, by its name in its directory. */
	__builtin_memcpy(scratch->subject.name, event->names[0], NAME_SIZE);
	judge_inode(scratch, BPF_CORE_READ(first, d_parent, d_inode));
	__builtin_memset(scratch->subject.name, 0, NAME_SIZE);
}

static __always_inline int is_trusted(struct scratch *scratch)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	__builtin_memset(&scratch->subject, 0, sizeof(scratch->subject));
	scratch->subject.inode = BPF_CORE_READ(inode, i_ino);
	scratch->subject.device = BPF_CORE_READ(inode, i_sb, s_dev);
	return bpf_map_lookup_elem(&trusted, &scratch->subject) != 0;
}

/* Tells of the event. What is returned is what the hook's function would return: 0, or that it is forbidden. */
static __always_inline int finish(struct scratch *scratch, int can_deny)
{
	struct event *event = &scratch->event;

	if (event->denied && (!can_deny || is_trusted(scratch)))
		event->denied = 0;
	events_output(events, event, sizeof(*event), 0);
	return event->denied ? -EPERM : 0;
}

static __always_inline int on_path(enum kind kind, struct vfsmount *mount, struct dentry *dentry, __u32 argument, int can_deny)
{
	struct scratch *scratch = start(kind);

	if (!scratch)
		return 0;
	scratch->event.argument = argument;
	follow(scratch, mount, dentry);
	judge_inode(scratch, 0);
	return finish(scratch, can_deny);
}

/* What is neither about a file nor about a port. */
static __always_inline int on_act(enum kind kind, __u32 argument, int can_deny)
{
	struct scratch *scratch = start(kind);

	if (!scratch)
		return 0;
	scratch->event.argument = argument;
	judge(scratch);
	return finish(scratch, can_deny);
}

static __always_inline int on_address(enum kind kind, struct sockaddr *name, int length, int can_deny)
{
	struct scratch *scratch;
	struct ipv6_name address = {};
	__u16 family = 0;

	/* The kernel has copied it from user space by now. */
	bpf_probe_read_kernel(&family, sizeof(family), name);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (length < (family == AF_INET ? 8 : (int)sizeof(address)))
		return 0;
	scratch = start(kind);
	if (!scratch)
		return 0;
	if (family == AF_INET) {
		bpf_probe_read_kernel(&address, sizeof(struct ipv4_name), name);
		/* As IPv6 has it: ::ffff:10.0.0.1. */
		scratch->event.address[10] = scratch->event.address[11] = 0xff;
		__builtin_memcpy(scratch->event.address + 12, &address.flow, 4);
	} else {
		bpf_probe_read_kernel(&address, sizeof(address), name);
		__builtin_memcpy(scratch->event.address, address.address, 16);
	}
	scratch->event.family = family;
	scratch->event.port = bpf_ntohs(address.port);
	scratch->subject.port = scratch->event.port;
	judge(scratch);
	scratch->subject.port = 0;
	judge(scratch);
	return finish(scratch, can_deny);
}

static __always_inline int on_open(struct file *file, int can_deny)
{
	if (!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE) || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	return on_path(WRITE, BPF_CORE_READ(file, f_path.mnt), BPF_CORE_READ(file, f_path.dentry), 0, can_deny);
}

static __always_inline int on_exec(struct linux_binprm *bprm, int can_deny)
{
	struct file *file = BPF_CORE_READ(bprm, file);

	return on_path(EXEC, BPF_CORE_READ(file, f_path.mnt), BPF_CORE_READ(file, f_path.dentry), 0, can_deny);
}

static __always_inline int on_setuid(struct cred *new, const struct cred *old, int can_deny)
{
	__u32 to = BPF_CORE_READ(new, euid.val);

	return to == BPF_CORE_READ(old, euid.val) ? 0 : on_act(SETUID, to, can_deny);
}

/* What a hook returns: two constants. Of the negative of a truth, which the compiler would make, the verifier knows no range. */
static __always_inline int answer(int is_denied)
{
	int result = 0;

	if (is_denied)
		asm volatile("%0 = -1" : "=r"(result));
	return result;
}

/*
 * A hook's two programs: `lsm` and `fentry`. `parameters` are the first of the hook's own, `call` is what both do with them. A
 * program is not asked when one before it has refused.
 */
#define HOOK(hook, parameters, call)                                                \
	SEC("?lsm/" #hook) int BPF_PROG(hook##_lsm, UNPACK parameters)              \
	{                                                                           \
		enum { CAN_DENY = 1 };                                              \
		return answer(call);                                                \
	}                                                                           \
	SEC("?fentry/security_" #hook) int BPF_PROG(hook##_fentry, UNPACK parameters) \
	{                                                                           \
		enum { CAN_DENY = 0 };                                              \
		call;                                                               \
		return 0;                                                           \
	}
#define UNPACK(...) __VA_ARGS__
#define AT(path, dentry) BPF_CORE_READ(path, mnt), dentry

HOOK(bprm_check_security, (struct linux_binprm *bprm), on_exec(bprm, CAN_DENY))
HOOK(file_open, (struct file *file), on_open(file, CAN_DENY))
HOOK(path_mknod, (const struct path *dir, struct dentry *dentry), on_path(WRITE, AT(dir, dentry), 0, CAN_DENY))
HOOK(path_mkdir, (const struct path *dir, struct dentry *dentry), on_path(WRITE, AT(dir, dentry), 0, CAN_DENY))
HOOK(path_symlink, (const struct path *dir, struct dentry *dentry), on_path(LINK, AT(dir, dentry), 0, CAN_DENY))
HOOK(path_link, (struct dentry *from, const struct path *dir), on_path(LINK, AT(dir, from), 0, CAN_DENY))
HOOK(path_unlink, (const struct path *dir, struct dentry *dentry), on_path(REMOVE, AT(dir, dentry), 0, CAN_DENY))
HOOK(path_rename, (const struct path *dir, struct dentry *dentry), on_path(RENAME, AT(dir, dentry), 0, CAN_DENY))
HOOK(path_truncate, (const struct path *path), on_path(WRITE, AT(path, BPF_CORE_READ(path, dentry)), 0, CAN_DENY))
HOOK(path_chmod, (const struct path *path, unsigned short mode), on_path(CHMOD, AT(path, BPF_CORE_READ(path, dentry)), mode, CAN_DENY))
HOOK(socket_connect, (struct socket *socket, struct sockaddr *name, int length), on_address(CONNECT, name, length, CAN_DENY))
HOOK(socket_bind, (struct socket *socket, struct sockaddr *name, int length), on_address(BIND, name, length, CAN_DENY))
HOOK(socket_create, (int family, int type), type == SOCK_RAW || type == SOCK_PACKET ? on_act(RAW_SOCKET, family, CAN_DENY) : 0)
HOOK(kernel_read_file, (struct file *file, int id), id == READING_MODULE ? on_act(MODULE, 0, CAN_DENY) : 0)
HOOK(kernel_load_data, (int id), id == READING_MODULE ? on_act(MODULE, 0, CAN_DENY) : 0)
HOOK(bpf, (int command), command == BPF_PROG_LOAD ? on_act(BPF, command, CAN_DENY) : 0)
HOOK(task_fix_setuid, (struct cred *new, const struct cred *old), on_setuid(new, old, CAN_DENY))
HOOK(ptrace_access_check, (struct task_struct *child), on_act(PTRACE, BPF_CORE_READ(child, tgid), CAN_DENY))
HOOK(sb_mount, (const char *device, const struct path *path), on_path(MOUNT, AT(path, BPF_CORE_READ(path, dentry)), 0, CAN_DENY))

/* Who is whose child, for ancestry. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
	if (BPF_CORE_READ(child, pid) == BPF_CORE_READ(child, tgid))
		on_act(FORK, BPF_CORE_READ(child, tgid), 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited, struct task_struct *task)
{
	if (BPF_CORE_READ(task, pid) == BPF_CORE_READ(task, tgid))
		on_act(EXIT, 0, 0);
	return 0;
}

/* Where no hook tells of programs that start. */
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	on_exec(bprm, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
