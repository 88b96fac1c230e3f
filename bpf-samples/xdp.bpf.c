// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* XDP: programs for interfaces, and those that maps of devices and of processors run on what is redirected to them. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Only packets to this UDP port are counted and decided about: an interface has traffic of its own. */
const volatile __u16 port = 9;
/* What `decide` returns for them. */
__u32 action = XDP_PASS;
__u64 packets = 0;
__u64 at_devices = 0;
__u64 at_processors = 0;
__u32 ingress_index = 0;

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} devices SEC(".maps");

/* The value of kernels before 5.8: an index alone. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} plain_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} hashed_devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} processors SEC(".maps");

/* The value of kernels before 5.9: a length alone. */
struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} plain_processors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} user_sockets SEC(".maps");

static __always_inline int is_ours(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip = data + sizeof(*ethernet);
	struct udphdr *udp = (void *)ip + sizeof(*ip);

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return 0;
	return udp->dest == bpf_htons(port);
}

SEC("xdp")
int decide(struct xdp_md *context)
{
	if (!is_ours(context))
		return XDP_PASS;
	__sync_fetch_and_add(&packets, 1);
	ingress_index = context->ingress_ifindex;
	return action;
}

/* Takes the place of `decide`. */
SEC("xdp")
int drop_all(struct xdp_md *context)
{
	if (!is_ours(context))
		return XDP_PASS;
	__sync_fetch_and_add(&packets, 100);
	return XDP_DROP;
}

/* For packets in several buffers: Linux 5.18. */
SEC("?xdp.frags")
int with_fragments(struct xdp_md *context)
{
	if (is_ours(context))
		__sync_fetch_and_add(&packets, 1);
	return XDP_PASS;
}

SEC("xdp")
int to_device(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&devices, 1, XDP_PASS) : XDP_PASS;
}

SEC("xdp")
int to_hashed_device(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&hashed_devices, 1000, XDP_PASS) : XDP_PASS;
}

SEC("xdp")
int to_plain_device(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&plain_devices, 1, XDP_PASS) : XDP_PASS;
}

SEC("xdp/devmap")
int at_device(struct xdp_md *context)
{
	__sync_fetch_and_add(&at_devices, 1);
	return XDP_DROP;
}

SEC("xdp")
int to_processor(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&processors, 0, XDP_PASS) : XDP_PASS;
}

SEC("xdp/cpumap")
int at_processor(struct xdp_md *context)
{
	__sync_fetch_and_add(&at_processors, 1);
	return XDP_PASS;
}

SEC("?xdp.frags/devmap")
int fragments_at_device(struct xdp_md *context)
{
	__sync_fetch_and_add(&at_devices, 100);
	return XDP_DROP;
}

/* A map of devices or processors is used by programs of one kind, with fragments or without. */
SEC("?xdp.frags")
int fragments_to_device(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&devices, 1, XDP_PASS) : XDP_PASS;
}

SEC("?xdp.frags")
int fragments_to_processor(struct xdp_md *context)
{
	return is_ours(context) ? bpf_redirect_map(&processors, 0, XDP_PASS) : XDP_PASS;
}

SEC("?xdp.frags/cpumap")
int fragments_at_processor(struct xdp_md *context)
{
	__sync_fetch_and_add(&at_processors, 100);
	return XDP_PASS;
}

SEC("xdp")
int to_user(struct xdp_md *context)
{
	return bpf_redirect_map(&user_sockets, 2, XDP_PASS);
}

/* Takes two bytes off the front and writes what was there into the next. */
SEC("xdp")
int cut_front(struct xdp_md *context)
{
	__u8 *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u8 first;

	if (data + 16 > end)
		return XDP_ABORTED;
	first = data[0];
	if (bpf_xdp_adjust_head(context, 2))
		return XDP_ABORTED;
	data = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	if (data + 1 > end)
		return XDP_ABORTED;
	data[0] = first;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
