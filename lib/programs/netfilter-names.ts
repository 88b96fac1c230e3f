/** NFPROTO_IPV4 and NFPROTO_IPV6 of include/uapi/linux/netfilter.h. */
export const netfilterFamilies = { ipv4: 2, ipv6: 10 } as const;
/** NF_INET_* of the same file. */
export const netfilterHooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** Which packets a {@link Netfilter} program sees. */
export type NetfilterFamily = keyof typeof netfilterFamilies;

/** Where on their way through the stack it sees them. */
export type NetfilterHook = keyof typeof netfilterHooks;
