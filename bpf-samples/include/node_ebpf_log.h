/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Logs of programs, which `ebpf.logs()` reads:
 *
 *	log_info("{} opened {} of {:ip}", comm, flags, address);
 *
 * A message travels as its number and its arguments, each as it lies in memory. The text, the types of the arguments, file
 * and line stay in the object: the text in a section that is not loaded, the types in BTF (compile with -g).
 *
 * What `{}` stands for is an argument of any C type: integers, _Bool, enums (shown by name), pointers, char arrays (text),
 * other arrays and structs. {:x} and {:X} show an integer or bytes in hexadecimal, {:ip} four or sixteen bytes in network
 * order as an address, {:mac} six bytes, {:sym} an address as the kernel's symbol there. {{ and }} are braces. Text behind
 * a pointer: log_text(pointer) of the kernel, log_user_text(pointer) of a process. Cast a bit-field to its type first.
 *
 * Levels: an object logs up to NODE_EBPF_LOG_LEVEL, unless it is loaded with { logLevel: 'debug' }. What is above is taken
 * out of the program as it is loaded, with the code that makes the arguments: they are not evaluated.
 *
 * Before the include may be defined: NODE_EBPF_LOG_BYTES, the size of the ring, and NODE_EBPF_LOG_TEXT, the most bytes of
 * a text behind a pointer with its NUL. Needs clang 12 and Linux 5.8.
 */
#ifndef NODE_EBPF_LOG_H
#define NODE_EBPF_LOG_H

#include "node_ebpf_events.h"

#define NODE_EBPF_LOG_OFF 0
#define NODE_EBPF_LOG_ERROR 1
#define NODE_EBPF_LOG_WARN 2
#define NODE_EBPF_LOG_INFO 3
#define NODE_EBPF_LOG_DEBUG 4
#define NODE_EBPF_LOG_TRACE 5

#ifndef NODE_EBPF_LOG_LEVEL
#define NODE_EBPF_LOG_LEVEL NODE_EBPF_LOG_INFO
#endif
#ifndef NODE_EBPF_LOG_BYTES
#define NODE_EBPF_LOG_BYTES (256 * 1024)
#endif
#ifndef NODE_EBPF_LOG_TEXT
#define NODE_EBPF_LOG_TEXT 64
#endif

/* Weak: each file of an object that is linked from several has them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NODE_EBPF_LOG_BYTES);
} node_ebpf_logs SEC(".maps") __attribute__((weak));

__attribute__((weak)) __u64 node_ebpf_logs_dropped = 0;
__attribute__((weak)) const volatile __u8 node_ebpf_log_level = NODE_EBPF_LOG_LEVEL;

struct node_ebpf_log_text {
	char text[NODE_EBPF_LOG_TEXT];
};

/* Up to NODE_EBPF_LOG_TEXT - 1 bytes of the text at an address of the kernel, or of the current process. */
#define log_text(pointer) node_ebpf_log_read(bpf_probe_read_kernel_str, pointer)
#define log_user_text(pointer) node_ebpf_log_read(bpf_probe_read_user_str, pointer)

#define log_error(...) node_ebpf_log(NODE_EBPF_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) node_ebpf_log(NODE_EBPF_LOG_WARN, __VA_ARGS__)
#define log_info(...) node_ebpf_log(NODE_EBPF_LOG_INFO, __VA_ARGS__)
#define log_debug(...) node_ebpf_log(NODE_EBPF_LOG_DEBUG, __VA_ARGS__)
#define log_trace(...) node_ebpf_log(NODE_EBPF_LOG_TRACE, __VA_ARGS__)

/* What follows is for the macros above. */

#define node_ebpf_log_read(helper, pointer)                                                                            \
	({                                                                                                             \
		struct node_ebpf_log_text log_read = {};                                                               \
		helper(log_read.text, sizeof(log_read.text), pointer);                                                 \
		log_read;                                                                                              \
	})

/*
 * The test of the level is these instructions, exactly: the loader knows them, and takes them out with what they guard.
 * The address of `log_site` becomes the number of the message. Whoever else loads the object finds a test that the verifier
 * decides, and records without a number.
 */
#define node_ebpf_log(log_level, log_format, ...)                                                                      \
	do {                                                                                                           \
		__label__ log_off;                                                                                     \
		struct node_ebpf_log_record {                                                                          \
			__u64 time;                                                                                    \
			__u16 site;                                                                                    \
			__u16 cpu;                                                                                     \
			NODE_EBPF_LOG_EACH(NODE_EBPF_LOG_MEMBER, ##__VA_ARGS__)                                        \
		};                                                                                                     \
		static const struct {                                                                                  \
			struct node_ebpf_log_record record[0];                                                         \
			__u32 line;                                                                                    \
			__u8 level;                                                                                    \
			char file[sizeof(__FILE__)];                                                                   \
			char format[sizeof(log_format)];                                                               \
		} node_ebpf_log_site SEC(".rodata.node_ebpf_log") = {                                                  \
			.line = __LINE__, .level = log_level, .file = __FILE__, .format = log_format,                  \
		};                                                                                                     \
		struct node_ebpf_log_record *log_record;                                                               \
		__u64 log_number;                                                                                      \
                                                                                                                       \
		asm goto("r0 = %[enabled] ll\n\t"                                                                      \
			 "r0 = *(u8 *)(r0 + 0)\n\t"                                                                    \
			 "if r0 < %[level] goto %l[log_off]"                                                           \
			 :                                                                                             \
			 : [enabled] "i"(&node_ebpf_log_level), [level] "i"(log_level)                                 \
			 : "r0"                                                                                        \
			 : log_off);                                                                                   \
		log_record = bpf_ringbuf_reserve(&node_ebpf_logs, sizeof(*log_record), 0);                             \
		if (log_record) {                                                                                      \
			asm volatile("%0 = %[site] ll" : "=r"(log_number) : [site] "i"(&node_ebpf_log_site));          \
			log_record->time = bpf_ktime_get_boot_ns();                                                    \
			log_record->site = log_number;                                                                 \
			log_record->cpu = bpf_get_smp_processor_id();                                                  \
			NODE_EBPF_LOG_EACH(NODE_EBPF_LOG_STORE, ##__VA_ARGS__)                                         \
			bpf_ringbuf_submit(log_record, 0);                                                             \
		} else {                                                                                               \
			events_count_drop(node_ebpf_logs);                                                             \
		}                                                                                                      \
	log_off:;                                                                                                      \
	} while (0)

#define NODE_EBPF_LOG_MEMBER(index, value) __typeof__(value) argument##index;

/*
 * An array is its first element's address in an expression, everything else its value. The kernel copies arrays: it may
 * read the members of its own structures, which not every program may.
 */
#define NODE_EBPF_LOG_STORE(index, value)                                                                              \
	{                                                                                                              \
		__auto_type log_value = (value);                                                                       \
		void *log_place = (void *)&log_record->argument##index;                                                \
                                                                                                                       \
		if (__builtin_types_compatible_p(__typeof__(value), __typeof__(log_value)))                            \
			__builtin_memcpy(log_place, &log_value, sizeof(log_value));                                    \
		else                                                                                                   \
			bpf_probe_read_kernel(log_place, sizeof(log_record->argument##index),                          \
					      *(const void *const *)&log_value);                                       \
	}

#define NODE_EBPF_LOG_EACH(with, ...)                                                                                  \
	NODE_EBPF_LOG_PICK(, ##__VA_ARGS__, NODE_EBPF_LOG_8, NODE_EBPF_LOG_7, NODE_EBPF_LOG_6, NODE_EBPF_LOG_5,        \
			   NODE_EBPF_LOG_4, NODE_EBPF_LOG_3, NODE_EBPF_LOG_2, NODE_EBPF_LOG_1, NODE_EBPF_LOG_0)        \
	(with, ##__VA_ARGS__)
#define NODE_EBPF_LOG_PICK(none, a, b, c, d, e, f, g, h, picked, ...) picked
#define NODE_EBPF_LOG_0(with)
#define NODE_EBPF_LOG_1(with, a) with(0, a)
#define NODE_EBPF_LOG_2(with, a, b) NODE_EBPF_LOG_1(with, a) with(1, b)
#define NODE_EBPF_LOG_3(with, a, b, c) NODE_EBPF_LOG_2(with, a, b) with(2, c)
#define NODE_EBPF_LOG_4(with, a, b, c, d) NODE_EBPF_LOG_3(with, a, b, c) with(3, d)
#define NODE_EBPF_LOG_5(with, a, b, c, d, e) NODE_EBPF_LOG_4(with, a, b, c, d) with(4, e)
#define NODE_EBPF_LOG_6(with, a, b, c, d, e, f) NODE_EBPF_LOG_5(with, a, b, c, d, e) with(5, f)
#define NODE_EBPF_LOG_7(with, a, b, c, d, e, f, g) NODE_EBPF_LOG_6(with, a, b, c, d, e, f) with(6, g)
#define NODE_EBPF_LOG_8(with, a, b, c, d, e, f, g, h) NODE_EBPF_LOG_7(with, a, b, c, d, e, f, g) with(7, h)

#endif
