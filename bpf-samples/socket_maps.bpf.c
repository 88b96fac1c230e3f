// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* What the sockets of a map send and receive is put into others of it; connections are put into a map as they are made. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The place in `sockets` that everything goes to. */
__u32 destination = 1;
__u64 messages = 0;
__u64 received = 0;
__u64 connections = 0;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} sockets_by_port SEC(".maps");

SEC("sk_msg")
int redirect_sent(struct sk_msg_md *message)
{
	__sync_fetch_and_add(&messages, 1);
	return bpf_msg_redirect_map(message, &sockets, destination, 0);
}

SEC("sk_msg")
int drop_sent(struct sk_msg_md *message)
{
	__sync_fetch_and_add(&messages, 100);
	return SK_DROP;
}

/* What came is one message. */
SEC("sk_skb/stream_parser")
int whole(struct __sk_buff *packet)
{
	return packet->len;
}

SEC("sk_skb/stream_verdict")
int redirect_received(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&received, 1);
	return bpf_sk_redirect_map(packet, &sockets, destination, 0);
}

/* Without a parser: Linux 5.13. */
SEC("sk_skb/verdict")
int redirect_unparsed(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&received, 1);
	return bpf_sk_redirect_map(packet, &sockets, destination, 0);
}

/* What it is for is said when it is attached. */
SEC("?sk_skb")
int redirect_in_role(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&received, 1);
	return bpf_sk_redirect_map(packet, &sockets, destination, 0);
}

SEC("sockops")
int on_connection(struct bpf_sock_ops *socket)
{
	__u32 port = socket->local_port;

	if (socket->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;
	__sync_fetch_and_add(&connections, 1);
	bpf_sock_hash_update(socket, &sockets_by_port, &port, BPF_ANY);
	return 1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
