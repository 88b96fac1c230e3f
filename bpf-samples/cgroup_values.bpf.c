// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Values that belong to a cgroup and to a socket, counted when a process of the cgroup connects. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct connections {
	__u64 count;
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, struct connections);
} of_hook SEC(".maps");

/* One value for all hooks of a cgroup (Linux 5.9). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, __u64);
} of_cgroup SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connections);
} of_socket SEC(".maps");

/* What user space stored for the socket before. */
__u64 stored = 0;

static __always_inline int connected(struct bpf_sock_addr *context)
{
	struct connections *hook = bpf_get_local_storage(&of_hook, 0);
	__u64 *cgroup = bpf_get_local_storage(&of_cgroup, 0);
	struct connections *socket;

	__sync_fetch_and_add(&hook->count, 1);
	hook->port = context->user_port;
	*cgroup += 1;
	if (!context->sk)
		return 1;
	socket = bpf_sk_storage_get(&of_socket, context->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (socket) {
		stored = socket->count;
		socket->count++;
		socket->port = context->user_port;
	}
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *context)
{
	return connected(context);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *context)
{
	return connected(context);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
