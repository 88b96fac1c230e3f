// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Which socket a connection is for: among all of a network namespace, and among those that share a port. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The port that `by_index` and `by_port` answer for. */
const volatile __u32 port = 7007;
/* The index that `select` and `select_and_migrate` choose. */
__u32 wanted = 0;
__u64 lookups = 0;
__u64 selections = 0;
__u64 migrations = 0;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets_by_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} servers SEC(".maps");

static __always_inline int assign(struct bpf_sk_lookup *context, struct bpf_sock *socket)
{
	long error;

	__sync_fetch_and_add(&lookups, 1);
	/* Not found: the kernel looks itself. */
	if (!socket)
		return SK_PASS;
	error = bpf_sk_assign(context, socket, 0);
	bpf_sk_release(socket);
	return error ? SK_DROP : SK_PASS;
}

SEC("sk_lookup")
int by_index(struct bpf_sk_lookup *context)
{
	__u32 index = 0;

	return context->local_port == port ? assign(context, bpf_map_lookup_elem(&sockets, &index)) : SK_PASS;
}

SEC("sk_lookup")
int by_port(struct bpf_sk_lookup *context)
{
	__u32 key = context->local_port;

	return key == port ? assign(context, bpf_map_lookup_elem(&sockets_by_port, &key)) : SK_PASS;
}

SEC("sk_reuseport")
int select(struct sk_reuseport_md *context)
{
	__u32 index = wanted;

	__sync_fetch_and_add(&selections, 1);
	bpf_sk_select_reuseport(context, &servers, &index, 0);
	/* Where nothing was chosen the kernel chooses by a hash. */
	return SK_PASS;
}

/* Linux 5.14. */
SEC("?sk_reuseport/migrate")
int select_and_migrate(struct sk_reuseport_md *context)
{
	__u32 index = wanted;

	__sync_fetch_and_add(context->migrating_sk ? &migrations : &selections, 1);
	bpf_sk_select_reuseport(context, &servers, &index, 0);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
