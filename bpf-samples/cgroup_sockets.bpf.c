// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* A program at each place at which cgroups let programs see what is done with a socket. Each allows it, and counts. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define ALLOW 1

/* A program by the name of its section, which counts in a variable of its own. */
#define COUNT(name, section, type)                                                                                      \
	__u64 name##_count = 0;                                                                                         \
	SEC(section) int name(type *context)                                                                            \
	{                                                                                                               \
		__sync_fetch_and_add(&name##_count, 1);                                                                 \
		return ALLOW;                                                                                           \
	}

COUNT(skb_ingress, "cgroup_skb/ingress", struct __sk_buff)
COUNT(sock, "cgroup/sock", struct bpf_sock)
COUNT(sock_release, "cgroup/sock_release", struct bpf_sock)
COUNT(post_bind4, "cgroup/post_bind4", struct bpf_sock)
COUNT(post_bind6, "cgroup/post_bind6", struct bpf_sock)
COUNT(bind4, "cgroup/bind4", struct bpf_sock_addr)
COUNT(bind6, "cgroup/bind6", struct bpf_sock_addr)
COUNT(connect4, "cgroup/connect4", struct bpf_sock_addr)
COUNT(connect6, "cgroup/connect6", struct bpf_sock_addr)
COUNT(sendmsg4, "cgroup/sendmsg4", struct bpf_sock_addr)
COUNT(sendmsg6, "cgroup/sendmsg6", struct bpf_sock_addr)
COUNT(recvmsg4, "cgroup/recvmsg4", struct bpf_sock_addr)
COUNT(recvmsg6, "cgroup/recvmsg6", struct bpf_sock_addr)
COUNT(getpeername4, "cgroup/getpeername4", struct bpf_sock_addr)
COUNT(getpeername6, "cgroup/getpeername6", struct bpf_sock_addr)
COUNT(getsockname4, "cgroup/getsockname4", struct bpf_sock_addr)
COUNT(getsockname6, "cgroup/getsockname6", struct bpf_sock_addr)
COUNT(get_option, "cgroup/getsockopt", struct bpf_sockopt)

/* Linux 6.7. */
COUNT(connect_unix, "?cgroup/connect_unix", struct bpf_sock_addr)
COUNT(sendmsg_unix, "?cgroup/sendmsg_unix", struct bpf_sock_addr)
COUNT(recvmsg_unix, "?cgroup/recvmsg_unix", struct bpf_sock_addr)
COUNT(getpeername_unix, "?cgroup/getpeername_unix", struct bpf_sock_addr)
COUNT(getsockname_unix, "?cgroup/getsockname_unix", struct bpf_sock_addr)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
