// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Iterators over what the kernel has: of most kinds a line of text for each thing, with its kind and its number; of tasks also
 * records. On request but for tasks, since kernels lack some kinds.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct task_struct {
	int pid;
	int tgid;
	char comm[16];
};

struct vm_area_struct {
	unsigned long vm_start;
};

struct bpf_map {
	__u32 id;
};

struct bpf_prog_aux {
	__u32 id;
};

struct bpf_prog {
	struct bpf_prog_aux *aux;
};

struct bpf_link {
	__u32 id;
};

struct sock_common {
	unsigned short skc_family;
	__u16 skc_num;
};

struct sock {
	struct sock_common __sk_common;
};

struct unix_sock {
	struct sock sk;
};

struct udp_sock;
struct file;
struct netlink_sock;
struct fib6_info;

struct kallsym_iter {
	unsigned long value;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

#define CONTEXT(kind, ...)            \
	struct bpf_iter__##kind {           \
		struct bpf_iter_meta *meta; \
		__VA_ARGS__                 \
	}

CONTEXT(task, struct task_struct *task;);
CONTEXT(task_file, struct task_struct *task; __u32 fd; struct file *file;);
CONTEXT(task_vma, struct task_struct *task; struct vm_area_struct *vma;);
CONTEXT(bpf_map, struct bpf_map *map;);
CONTEXT(bpf_map_elem, struct bpf_map *map; void *key; void *value;);
CONTEXT(bpf_prog, struct bpf_prog *prog;);
CONTEXT(bpf_link, struct bpf_link *link;);
CONTEXT(tcp, struct sock_common *sk_common; __u32 uid;);
CONTEXT(udp, struct udp_sock *udp_sk; __u32 uid __attribute__((aligned(8))); int bucket __attribute__((aligned(8))););
CONTEXT(unix, struct unix_sock *unix_sk; __u32 uid;);
CONTEXT(netlink, struct netlink_sock *sk;);
CONTEXT(ipv6_route, struct fib6_info *rt;);
CONTEXT(ksym, struct kallsym_iter *ksym;);
CONTEXT(cgroup, struct cgroup *cgroup;);
CONTEXT(sockmap, struct bpf_map *map; void *key; struct sock *sk;);

#pragma clang attribute pop

/* Each kind is a line; what is not there is the end of the iteration. `it` is what was looked at. */
#define LINE(context, thing, kind, number)                            \
	do {                                                          \
		__auto_type it = (thing);                             \
		if (it)                                               \
			BPF_SEQ_PRINTF((context)->meta->seq,          \
				       kind " %llu\n", (__u64)(number)); \
		return 0;                                             \
	} while (0)

struct task_entry {
	__u32 process;
	__u32 thread;
	char comm[16];
};

const struct task_entry *unused_task_entry __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

SEC("iter/task")
int dump_task(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;

	if (!task)
		return 0;
	if (context->meta->seq_num == 0)
		BPF_SEQ_PRINTF(context->meta->seq, "process thread comm\n");
	BPF_SEQ_PRINTF(context->meta->seq, "%d %d %s\n", task->tgid, task->pid, task->comm);
	return 0;
}

SEC("iter/task")
int write_task(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct task_entry entry = {};

	if (!task)
		return 0;
	entry.process = task->tgid;
	entry.thread = task->pid;
	bpf_probe_read_kernel(entry.comm, sizeof(entry.comm), task->comm);
	bpf_seq_write(context->meta->seq, &entry, sizeof(entry));
	return 0;
}

/* Writes nothing, or far more than there is room for. */
const volatile __u32 endlessly = 0;

SEC("?iter/task")
int write_too_much(struct bpf_iter__task *context)
{
	struct task_entry entry = {};

	if (!context->task || !endlessly)
		return 0;
	for (int index = 0; index < 2000; index++)
		bpf_seq_write(context->meta->seq, &entry, sizeof(entry));
	return 0;
}

SEC("?iter/task_file")
int dump_task_file(struct bpf_iter__task_file *context)
{
	LINE(context, context->file, "task_file", context->fd);
}

SEC("?iter/task_vma")
int dump_task_vma(struct bpf_iter__task_vma *context)
{
	LINE(context, context->vma, "task_vma", it->vm_start);
}

SEC("?iter/bpf_map")
int dump_bpf_map(struct bpf_iter__bpf_map *context)
{
	LINE(context, context->map, "bpf_map", it->id);
}

SEC("?iter/bpf_map_elem")
int dump_bpf_map_elem(struct bpf_iter__bpf_map_elem *context)
{
	__u64 *value = context->value;

	LINE(context, value, "bpf_map_elem", *value);
}

SEC("?iter/bpf_prog")
int dump_bpf_prog(struct bpf_iter__bpf_prog *context)
{
	LINE(context, context->prog, "bpf_prog", it->aux->id);
}

SEC("?iter/bpf_link")
int dump_bpf_link(struct bpf_iter__bpf_link *context)
{
	LINE(context, context->link, "bpf_link", it->id);
}

SEC("?iter/tcp")
int dump_tcp(struct bpf_iter__tcp *context)
{
	LINE(context, context->sk_common, "tcp", it->skc_num);
}

SEC("?iter/udp")
int dump_udp(struct bpf_iter__udp *context)
{
	LINE(context, context->udp_sk, "udp", ((struct sock *)it)->__sk_common.skc_num);
}

SEC("?iter/unix")
int dump_unix(struct bpf_iter__unix *context)
{
	LINE(context, context->unix_sk, "unix", it->sk.__sk_common.skc_family);
}

SEC("?iter/netlink")
int dump_netlink(struct bpf_iter__netlink *context)
{
	LINE(context, context->sk, "netlink", ((struct sock *)it)->__sk_common.skc_family);
}

SEC("?iter/ipv6_route")
int dump_ipv6_route(struct bpf_iter__ipv6_route *context)
{
	LINE(context, context->rt, "ipv6_route", 6);
}

SEC("?iter/ksym")
int dump_ksym(struct bpf_iter__ksym *context)
{
	LINE(context, context->ksym, "ksym", it->value);
}

SEC("?iter.s/cgroup")
int dump_cgroup(struct bpf_iter__cgroup *context)
{
	LINE(context, context->cgroup, "cgroup", it->kn->id);
}

SEC("?iter/sockmap")
int dump_sockmap(struct bpf_iter__sockmap *context)
{
	LINE(context, context->sk, "sockmap", it->__sk_common.skc_num);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
