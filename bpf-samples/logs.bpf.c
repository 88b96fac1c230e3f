// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * What node_ebpf_log.h can log, on request, for tests: each program is test-run with a context of numbers. Needs kernel
 * 5.10.
 */
#include "node_ebpf_log.h"
#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

enum color { RED, GREEN = 5, BLUE = -1 };

struct place {
	__u16 port;
	__u8 address[4];
	char name[6];
};

__u64 sum = 0;
__u64 product = 1;
char shared_text[32] = "as long as a path or longer";
char hostile_text[16] = "a\033[31mb\r\nc";
const char read_only_text[] = "text of the kernel";

/* Integers of all widths, and in hexadecimal. */
SEC("raw_tp")
int integers(struct bpf_raw_tracepoint_args *context)
{
	__u64 value = context->args[0];

	log_info("{} {} {} {}", (__u8)value, (__u16)value, (__u32)value, value);
	log_info("{} {} {} {}", (__s8)value, (__s16)value, (__s32)value, (__s64)value);
	log_info("{:x} {:X} {:x} {:x}", (__s8)value, (__u16)value, (__s32)value, value);
	log_info("{} {} {}", 3, 4ULL, (_Bool)value);
	log_info("{} {} {:x}", (enum color)value, GREEN, (enum color)value);
	return 0;
}

/* Text, bytes, addresses, structs. */
SEC("raw_tp")
int memory(struct bpf_raw_tracepoint_args *context)
{
	__u8 mac[6] = { 0x02, 0, 0, 0xaa, 0xbb, 0x0c };
	__u8 ipv6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
	struct place place = { 80, { 10, 0, 0, 1 }, "here" };
	__be32 ipv4 = bpf_htonl(0xc0a80102);
	__u32 numbers[3] = { 1, 2, 3 };
	__u8 bytes[4] = { 0xde, 0xad, 0xbe, 0xef };
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	log_info("{} {} {}", comm, "literal", shared_text);
	log_info("{} {} {}", log_text(read_only_text), log_text(0), log_user_text((void *)context->args[1]));
	log_info("{:ip} {:ip} {:ip} {:mac}", ipv4, place.address, ipv6, mac);
	log_info("{} {} {} {:X}", place, numbers, bytes, bytes);
	log_info("{:sym} {} {:x}", context->args[0], (void *)context->args[0], (void *)context->args[0]);
	log_info("{{}} {} }}{{", hostile_text);
	return 0;
}

/* As many arguments as there may be: of a process, signed in hexadecimal, a character, a pointer. */
SEC("raw_tp")
int eight(struct bpf_raw_tracepoint_args *context)
{
	__u64 value = context->args[0];

	log_info("{} {:x} {:x} {:x} {:X} {:X} {} {:X}", log_user_text((void *)context->args[1]), (__u8)value, (__s16)value,
		 (__s64)value, (__u32)value, (__u64)value, (char)value, (void *)value);
	return 0;
}

SEC("raw_tp")
int levels(struct bpf_raw_tracepoint_args *context)
{
	log_error("error");
	log_warn("warn");
	log_info("info");
	log_debug("debug");
	log_trace("trace");
	return 0;
}

/* The same with logs and without. */
#define WORK(log)                                                                                                      \
	{                                                                                                              \
		__u64 value = context->args[0];                                                                        \
                                                                                                                       \
		sum += value;                                                                                          \
		log("sum {}", value * 7);                                                                              \
		if (value & 1) {                                                                                       \
			product *= value;                                                                              \
			log("product {} of {}", value, shared_text);                                                   \
		}                                                                                                      \
		return 0;                                                                                              \
	}
#define no_log(...)

SEC("raw_tp")
int with_logs(struct bpf_raw_tracepoint_args *context) WORK(log_debug)

SEC("raw_tp")
int without_logs(struct bpf_raw_tracepoint_args *context) WORK(no_log)

/* One message of two programs, in a function that both call. */
static __noinline int shared(__u64 value)
{
	log_warn("shared {}", value);
	return value != 0;
}

SEC("raw_tp")
int first(struct bpf_raw_tracepoint_args *context)
{
	return shared(context->args[0]);
}

SEC("raw_tp")
int second(struct bpf_raw_tracepoint_args *context)
{
	return shared(context->args[0]) + 2;
}

SEC("raw_tp")
int count(struct bpf_raw_tracepoint_args *context)
{
	log_info("number {}", (__u32)context->args[0]);
	return 0;
}

/* What the children of one process execute. */
const volatile __u32 target_ppid = 0;

SEC("raw_tp/sched_process_exec")
int executed(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = (struct task_struct *)context->args[0];
	struct linux_binprm *binary = (struct linux_binprm *)context->args[2];

	if (target_ppid && BPF_CORE_READ(task, real_parent, tgid) == (int)target_ppid)
		log_debug("{} executed {}", task->comm, log_text(BPF_CORE_READ(binary, filename)));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
