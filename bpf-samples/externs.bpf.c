// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* What the kernel provides: options it was built with, values the loader knows, and its symbols' addresses. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig;
/* Nobody knows it: zero. */
extern int LINUX_OF_THE_FUTURE __kconfig __weak;

extern bool CONFIG_BPF_SYSCALL __kconfig;
extern unsigned int CONFIG_HZ __kconfig;

/* One of each type; `kconfig` of the load gives those that no kernel has. */
extern bool CONFIG_SAMPLE_BOOL __kconfig __weak;
extern char CONFIG_SAMPLE_CHAR __kconfig __weak;
extern enum libbpf_tristate CONFIG_SAMPLE_TRISTATE __kconfig __weak;
extern signed char CONFIG_SAMPLE_S8 __kconfig __weak;
extern unsigned short CONFIG_SAMPLE_U16 __kconfig __weak;
extern int CONFIG_SAMPLE_S32 __kconfig __weak;
extern __u64 CONFIG_SAMPLE_U64 __kconfig __weak;
extern const char CONFIG_SAMPLE_STRING[16] __kconfig __weak;
extern const char CONFIG_CC_VERSION_TEXT[8] __kconfig __weak;

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

extern const void _stext __ksym;
extern const void _stext___flavoured __ksym;
extern const void no_such_symbol __ksym __weak;
/* Has a type, so it is found in BTF: one per CPU. */
extern const struct rq runqueues __ksym __weak;
extern const struct rq no_such_variable __ksym __weak;

__u32 kernel_version = 0;
__u32 hz = 0;
__u64 wide = 0;
__s32 narrow = 0;
char first_letter = 0;
__u32 answers = 0;
__u64 text_address = 0;
__u64 text_address_again = 0;
__u64 missing_address = 1;
__u64 missing_variable = 1;
__s32 queue_of_cpu = -1;

SEC("raw_tp")
int report(void *context)
{
	const struct rq *queue;

	kernel_version = LINUX_KERNEL_VERSION;
	hz = CONFIG_HZ;
	wide = CONFIG_SAMPLE_U64;
	narrow = CONFIG_SAMPLE_S8;
	first_letter = CONFIG_SAMPLE_STRING[0];
	answers = (LINUX_HAS_SYSCALL_WRAPPER ? 1 : 0) | (LINUX_HAS_BPF_COOKIE ? 2 : 0) |
		  (LINUX_OF_THE_FUTURE ? 4 : 0) | (CONFIG_BPF_SYSCALL ? 8 : 0) | (CONFIG_SAMPLE_BOOL ? 16 : 0) |
		  (CONFIG_SAMPLE_TRISTATE == TRI_MODULE ? 32 : 0) | (CONFIG_SAMPLE_CHAR == 'm' ? 64 : 0) |
		  (CONFIG_SAMPLE_U16 == 65535 ? 128 : 0) | (CONFIG_SAMPLE_S32 < 0 ? 256 : 0) |
		  (CONFIG_CC_VERSION_TEXT[0] ? 512 : 0);
	text_address = (__u64)&_stext;
	text_address_again = (__u64)&_stext___flavoured;
	missing_address = (__u64)&no_such_symbol;
	missing_variable = (__u64)&no_such_variable;
	if (&runqueues) {
		queue = bpf_per_cpu_ptr(&runqueues, 0);
		if (queue)
			queue_of_cpu = queue->cpu;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
