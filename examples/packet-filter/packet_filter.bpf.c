// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Judges packets by the address of the other side, the protocol and the destination port: XDP what comes in, traffic control
 * what goes out. The rules in force are one trie, the only one in `rule_sets`. New ones take its place in one step, and a packet, which
 * looks it up once, is judged by one set alone.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../../bpf-samples/include/node_ebpf_events.h"

enum direction { IN, OUT };
enum action { ALLOW, DENY, LIMIT };
/* Slots of `counters` that no rule has. */
enum { NOT_IP, MALFORMED, NO_RULE };

#define VLAN_TAGS 2
#define EXTENSION_HEADERS 6
/* Headers that are looked at: Ethernet, two tags, IPv6 with what may follow it, the start of TCP. */
#define HEADERS 192

struct selector {
	__u32 prefix_length;
	__u8 direction;
	__u8 protocol; /* 0: any */
	__be16 port;   /* 0: any */
	__u8 address[16];
};

struct rule {
	__u64 interval;  /* LIMIT: nanoseconds that a packet takes */
	__u64 tolerance; /* LIMIT: nanoseconds that packets may come too early */
	__u32 counter;
	__u8 action;
	__u8 network_bits;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);
		__uint(map_flags, BPF_F_NO_PREALLOC);
		__uint(max_entries, 1 << 20);
		__type(key, struct selector);
		__type(value, struct rule);
	});
} rule_sets SEC(".maps");

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

struct source {
	__u32 counter;
	__u8 address[16];
};

struct allowance {
	__u64 arrival; /* when the next packet is due, CLOCK_MONOTONIC */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct source);
	__type(value, struct allowance);
} allowances SEC(".maps");

struct drop {
	__u64 time;
	__u32 counter;
	__u32 interface;
	__u32 length;
	__be16 source_port;
	__be16 port;
	__u8 direction;
	__u8 protocol;
	__u8 source[16];
	__u8 destination[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} drops SEC(".maps");
EVENTS_DROPPED(drops);

const volatile _Bool log_drops = 1;

/* The compiler does not describe types that only code, or maps within maps, name: variables bring them. */
struct selector selector_type;
struct rule rule_type;
struct drop drop_type;

struct packet {
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 port;
	__u8 protocol;
};

struct tag {
	__be16 control;
	__be16 protocol;
};

static __always_inline void map_ipv4(__u8 *address, const __be32 *ipv4)
{
	__builtin_memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	__builtin_memcpy(address + 12, ipv4, 4);
}

/* What the transport's header says. A fragment that is not the first has none: only rules without ports are for it. */
static __always_inline int read_ports(void *at, void *end, struct packet *packet)
{
	struct tcphdr *tcp = at;
	struct udphdr *udp = at;

	switch (packet->protocol) {
	case IPPROTO_TCP:
		if ((void *)(tcp + 1) > end || tcp->doff < sizeof(*tcp) / 4)
			return MALFORMED;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		if ((void *)(udp + 1) > end)
			return MALFORMED;
		break;
	case IPPROTO_SCTP: /* 12 bytes, the ports in front as in the others */
		if (at + 12 > end)
			return MALFORMED;
		break;
	default:
		return NO_RULE;
	}
	packet->source_port = udp->source;
	packet->port = udp->dest;
	return NO_RULE;
}

static __always_inline int read_ipv4(void *at, void *end, struct packet *packet)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 || bpf_ntohs(ip->tot_len) < ip->ihl * 4)
		return MALFORMED;
	map_ipv4(packet->source, &ip->saddr);
	map_ipv4(packet->destination, &ip->daddr);
	packet->protocol = ip->protocol;
	if (ip->frag_off & bpf_htons(0x1fff))
		return NO_RULE;
	return read_ports(at + ip->ihl * 4, end, packet);
}

static __always_inline int read_ipv6(void *at, void *end, struct packet *packet)
{
	struct ipv6hdr *ip = at;
	struct ipv6_opt_hdr *option;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return MALFORMED;
	__builtin_memcpy(packet->source, &ip->saddr, 16);
	__builtin_memcpy(packet->destination, &ip->daddr, 16);
	next = ip->nexthdr;
	at = ip + 1;
#pragma unroll
	for (int i = 0; i < EXTENSION_HEADERS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		option = at;
		if (at + 8 > end)
			return MALFORMED;
		if (next == IPPROTO_FRAGMENT && *(__be16 *)(at + 2) & bpf_htons(0xfff8)) {
			packet->protocol = option->nexthdr;
			return NO_RULE;
		}
		at += next == IPPROTO_FRAGMENT ? 8 : (option->hdrlen + 1) * 8;
		next = option->nexthdr;
	}
	packet->protocol = next;
	return read_ports(at, end, packet);
}

static __always_inline int read_packet(void *at, void *end, struct packet *packet)
{
	struct ethhdr *ethernet = at;
	struct tag *tag;
	__be16 protocol;

	if ((void *)(ethernet + 1) > end)
		return MALFORMED;
	protocol = ethernet->h_proto;
	at = ethernet + 1;
#pragma unroll
	for (int i = 0; i < VLAN_TAGS; i++) {
		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		tag = at;
		if ((void *)(tag + 1) > end)
			return MALFORMED;
		protocol = tag->protocol;
		at = tag + 1;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return read_ipv4(at, end, packet);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return read_ipv6(at, end, packet);
	return NOT_IP;
}

/* The rule with the longest network wins; of equals the one that says more. */
static __always_inline struct rule *find_rule(const struct packet *packet, enum direction direction)
{
	struct selector selector = { .prefix_length = 160, .direction = direction };
	struct rule *best = 0, *rule;
	__u32 only = 0;
	void *rules = bpf_map_lookup_elem(&rule_sets, &only);

	if (!rules)
		return 0;
	__builtin_memcpy(selector.address, direction == IN ? packet->source : packet->destination, 16);
	best = bpf_map_lookup_elem(rules, &selector);
	selector.protocol = packet->protocol;
	rule = bpf_map_lookup_elem(rules, &selector);
	if (rule && (!best || rule->network_bits >= best->network_bits))
		best = rule;
	if (!packet->port)
		return best;
	selector.port = packet->port;
	rule = bpf_map_lookup_elem(rules, &selector);
	if (rule && (!best || rule->network_bits >= best->network_bits))
		best = rule;
	return best;
}

/*
 * Whether the source may send this packet now: each takes `interval` of its time, of which `tolerance` is lent in advance.
 * Values of an LRU map have no lock, so processors that judge one source at the same time may each let a packet too many pass.
 */
static __always_inline int is_within_limit(const struct rule *rule, const struct packet *packet, enum direction direction)
{
	struct source source = { .counter = rule->counter };
	struct allowance *allowance, first = {};
	__u64 now = bpf_ktime_get_ns();

	__builtin_memcpy(source.address, direction == IN ? packet->source : packet->destination, 16);
	allowance = bpf_map_lookup_elem(&allowances, &source);
	if (!allowance) {
		bpf_map_update_elem(&allowances, &source, &first, BPF_NOEXIST);
		allowance = bpf_map_lookup_elem(&allowances, &source);
		if (!allowance)
			return 0;
	}
	if (allowance->arrival > now + rule->tolerance)
		return 0;
	if (allowance->arrival < now)
		allowance->arrival = now + rule->interval;
	else
		__sync_fetch_and_add(&allowance->arrival, rule->interval);
	return 1;
}

static __always_inline void count(__u32 slot, __u32 length)
{
	struct counter *counter = bpf_map_lookup_elem(&counters, &slot);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += length;
}

static __always_inline void log_drop(const struct packet *packet, enum direction direction, __u32 slot, __u32 interface,
				     __u32 length)
{
	struct drop *drop = log_drops ? events_reserve(drops, sizeof(*drop)) : 0;

	if (!drop)
		return;
	*drop = (struct drop){
		.time = bpf_ktime_get_boot_ns(),
		.counter = slot,
		.interface = interface,
		.length = length,
		.source_port = packet->source_port,
		.port = packet->port,
		.direction = direction,
		.protocol = packet->protocol,
	};
	__builtin_memcpy(drop->source, packet->source, 16);
	__builtin_memcpy(drop->destination, packet->destination, 16);
	bpf_ringbuf_submit(drop, 0);
}

static __always_inline int allows(void *data, void *end, enum direction direction, __u32 interface, __u32 length)
{
	struct packet packet = {};
	__u32 slot = read_packet(data, end, &packet);
	struct rule *rule = slot == NO_RULE ? find_rule(&packet, direction) : 0;
	int allowed = slot != MALFORMED;

	if (rule) {
		slot = rule->counter;
		allowed = rule->action == ALLOW || (rule->action == LIMIT && is_within_limit(rule, &packet, direction));
	}
	count(slot, length);
	if (!allowed)
		log_drop(&packet, direction, slot, interface, length);
	return allowed;
}

SEC("xdp")
int incoming(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;

	return allows(data, end, IN, context->ingress_ifindex, end - data) ? XDP_PASS : XDP_DROP;
}

SEC("tc/egress")
int outgoing(struct __sk_buff *packet)
{
	__u32 linear = packet->data_end - packet->data;

	/* Headers may lie in pages; this copies them to where programs see them. */
	if (linear < HEADERS && linear < packet->len)
		bpf_skb_pull_data(packet, packet->len < HEADERS ? packet->len : HEADERS);
	return allows((void *)(long)packet->data, (void *)(long)packet->data_end, OUT, packet->ifindex, packet->len)
		       ? TC_ACT_UNSPEC
		       : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
