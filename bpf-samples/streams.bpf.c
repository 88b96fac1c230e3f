// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Writes into the streams of its own, and by bpf_printk() into the kernel's trace buffer, for tests: a test run with the
 * context { __u64 number }. Streams: Linux 6.17; on others only the latter.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define BPF_STDOUT 1
#define BPF_STDERR 2

/* The first is that of Linux 7, where the verifier adds the last argument itself, the other that of 6.18. */
extern int bpf_stream_vprintk(int stream_id, const char *fmt__str, const void *args, __u32 len__sz) __weak __ksym;
extern int bpf_stream_vprintk_impl(int stream_id, const char *fmt__str, const void *args, __u32 len__sz,
				   void *aux__prog) __weak __ksym;

/* What the kernel said of the last write. */
int result = 0;

#define print(stream, format, ...)                                                                                     \
	({                                                                                                             \
		static const char text[] = format;                                                                     \
		__u64 arguments[] = { __VA_ARGS__ };                                                                   \
                                                                                                                       \
		if (bpf_stream_vprintk)                                                                                \
			result = bpf_stream_vprintk(stream, text, arguments, sizeof(arguments));                                \
		else if (bpf_stream_vprintk_impl)                                                                      \
			result = bpf_stream_vprintk_impl(stream, text, arguments, sizeof(arguments), 0);                        \
	})

SEC("?syscall")
int write_streams(void *context)
{
	__u64 number = *(__u64 *)context;

	print(BPF_STDOUT, "number %llu\n", number);
	print(BPF_STDERR, "twice %llu\n", number * 2);
	return 0;
}

SEC("?raw_tp")
int write_trace(struct bpf_raw_tracepoint_args *context)
{
	bpf_printk("number %llu", context->args[0]);
	bpf_printk("two\nlines");
	return 0;
}

/* More than three arguments: bpf_trace_vprintk, Linux 5.16. */
SEC("?raw_tp")
int write_many(struct bpf_raw_tracepoint_args *context)
{
	__u64 number = context->args[0];

	bpf_printk("%llu %llu %llu %llu %llx", number, number + 1, number + 2, number + 3, number + 4);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
