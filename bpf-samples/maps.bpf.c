// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* Maps and variables of many types. `touch`, driven by a test run, changes each so that both sides can be compared. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum colour { RED, GREEN = 5, BLUE = -3 };
enum huge : __u64 { SMALL = 1, HUGE_VALUE = 0x8000000000000001 };

struct point {
	__s32 x;
	__s32 y;
};

struct flow_key {
	__u32 address;
	__u16 port;
	__u8 protocol;
	__u8 padding;
};

struct flow {
	__u64 packets;
	__u64 bytes;
	struct point from;
	char label[12];
	__u8 hardware[6];
	bool open;
	enum colour colour;
};

struct record {
	__u64 number;
	struct point at;
	char text[16];
};

struct mixed {
	__u8 first;
	union {
		__u32 word;
		__u8 octets[4];
	};
	__u32 low : 3;
	__s32 middle : 5;
	__u32 high : 24;
	void *address;
	struct point corners[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10000);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct point);
} points SEC(".maps");

/* Without BTF types: only sizes. Not BPF_F_NO_PREALLOC, of which kernels before 6.1 warn in tracing programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(key_size, 6);
	__uint(value_size, 10);
} untyped SEC(".maps");

/* What __type(value, ...) and __uint(value_size, ...) say of a map that the kernel gives no values is only a hint. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

/* .rodata */
const volatile bool flag = true;
const volatile char greeting[16] = "hello";
const volatile __u8 octets[4] = { 1, 2, 3, 4 };
const volatile __s16 constant_s16 = -16;
const volatile __u64 constant_u64 = 0x1122334455667788;

/* .data */
__s8 data_s8 = -8;
__u8 data_u8 = 200;
__s16 data_s16 = -1600;
__u16 data_u16 = 60000;
__s32 data_s32 = -320000;
__u32 data_u32 = 4000000000;
__s64 data_s64 = -6400000000;
__u64 data_u64 = 0xfedcba9876543210;
float data_float = 1.5f;
double data_double = -2.25;
bool data_bool = true;
char data_char = 'c';
char data_text[8] = "text";
enum colour data_colour = BLUE;
enum huge data_huge = HUGE_VALUE;
struct point data_point = { 3, -4 };
__s32 data_matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
struct mixed data_mixed = {
	.first = 1, .word = 0x01020304, .low = 5, .middle = -7, .high = 0xabcdef, .corners = { { 1, 2 }, { 3, 4 } },
};

/* .bss */
__u64 touched = 0;
__u64 records_dropped = 0;
struct point bss_point;
char bss_text[32];

/* A section of its own becomes a map of its own. */
__u32 custom_value SEC(".data.custom") = 77;
const volatile __u32 custom_constant SEC(".rodata.custom") = 78;

/* Part of no program's own code, but named by one: keeps `struct record` in the BTF. */
static __noinline int emit(struct record *record)
{
	if (bpf_ringbuf_output(&records, record, sizeof(*record), 0)) {
		__sync_fetch_and_add(&records_dropped, 1);
		return -1;
	}
	return 0;
}

SEC("raw_tp")
int touch(void *context)
{
	struct record record = { .number = touched, .at = data_point, .text = "record" };
	struct flow_key key = { .address = 0x7f000001, .port = 80, .protocol = 6 };
	struct flow flow = {
		.packets = touched, .bytes = constant_u64, .from = { -1, 1 }, .label = "flow",
		.hardware = { 1, 2, 3, 4, 5, 6 }, .open = flag, .colour = GREEN,
	};
	__u32 index = touched & 15;
	__u64 one = 1, *count;
	__u8 untyped_key[6] = "keykey", untyped_value[10] = "valuevalue";

	bpf_map_update_elem(&flows, &key, &flow, BPF_ANY);
	count = bpf_map_lookup_elem(&counts, &index);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &index, &one, BPF_ANY);
	bpf_map_update_elem(&points, &index, &data_point, BPF_ANY);
	bpf_map_update_elem(&untyped, untyped_key, untyped_value, BPF_ANY);
	emit(&record);

	data_s8++;
	data_u8++;
	data_s16++;
	data_u16++;
	data_s32++;
	data_u32++;
	data_s64++;
	data_u64++;
	data_bool = !data_bool;
	data_colour = RED;
	data_huge = SMALL;
	data_char = greeting[0];
	data_matrix[1][2] += octets[3];
	data_mixed.middle = 3;
	bss_point.x = constant_s16;
	bss_point.y = custom_constant;
	custom_value++;
	bpf_probe_read_kernel_str(bss_text, sizeof(bss_text), (const void *)greeting);
	__sync_fetch_and_add(&touched, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
