/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Programs that do on request what JavaScript does too, on one map of each type; the includer defines the maps. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct counts {
	__u32 packets;
	__u64 bytes;
};

struct route {
	__u32 prefixlen;
	__u8 address[4];
};

enum operation { GET, SET, DELETE };

#ifdef LEGACY_MAPS
struct bpf_map_def {
	__u32 type, key_size, value_size, max_entries, map_flags;
};
#define MAP(name, map_type, key_type, value_type, entries, flags)                                                      \
	struct bpf_map_def SEC("maps") name = {                                                                        \
		.type = map_type,                                                                                      \
		.key_size = sizeof(key_type),                                                                          \
		.value_size = sizeof(value_type),                                                                      \
		.max_entries = entries,                                                                                \
		.map_flags = flags,                                                                                    \
	}
#define VALUES(name, map_type, value_type, entries)                                                                    \
	struct bpf_map_def SEC("maps") name = {                                                                        \
		.type = map_type,                                                                                      \
		.value_size = sizeof(value_type),                                                                      \
		.max_entries = entries,                                                                                \
	}
#else
#define MAP(name, map_type, key_type, value_type, entries, flags)                                                      \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")
#define VALUES(name, map_type, value_type, entries)                                                                    \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, entries);                                                                          \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")
#endif

MAP(hash, BPF_MAP_TYPE_HASH, __u32, struct counts, 64, 0);
MAP(lru_hash, BPF_MAP_TYPE_LRU_HASH, __u32, struct counts, 64, 0);
MAP(per_cpu_hash, BPF_MAP_TYPE_PERCPU_HASH, __u32, struct counts, 64, 0);
MAP(lru_per_cpu_hash, BPF_MAP_TYPE_LRU_PERCPU_HASH, __u32, struct counts, 64, 0);
MAP(array, BPF_MAP_TYPE_ARRAY, __u32, struct counts, 64, 0);
MAP(per_cpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counts, 64, 0);
MAP(trie, BPF_MAP_TYPE_LPM_TRIE, struct route, struct counts, 64, BPF_F_NO_PREALLOC);
VALUES(queue, BPF_MAP_TYPE_QUEUE, struct counts, 4);
VALUES(stack, BPF_MAP_TYPE_STACK, struct counts, 4);

/* What the last run found, and what the helper returned, which is an int: 1 for a lookup that finds nothing. */
struct counts found = {};
__s64 result = 0;

/* operation, key, packets, bytes */
#define KEYED(map, key_value)                                                                                          \
	SEC("raw_tp")                                                                                                  \
	int use_##map(struct bpf_raw_tracepoint_args *context)                                                         \
	{                                                                                                              \
		struct counts value = {}, *there;                                                                      \
		__u64 argument = context->args[1];                                                                     \
		typeof(key_value) key = key_value;                                                                     \
                                                                                                                       \
		value.packets = context->args[2];                                                                      \
		value.bytes = context->args[3];                                                                        \
		if (context->args[0] == SET) {                                                                         \
			result = (__s32)bpf_map_update_elem(&map, &key, &value, BPF_ANY);                              \
		} else if (context->args[0] == DELETE) {                                                               \
			result = (__s32)bpf_map_delete_elem(&map, &key);                                               \
		} else {                                                                                               \
			there = bpf_map_lookup_elem(&map, &key);                                                       \
			result = there ? 0 : 1;                                                                        \
			if (there)                                                                                     \
				found = *there;                                                                        \
		}                                                                                                      \
		return 0;                                                                                              \
	}

#define IPV4(argument) (struct route){ (argument) >> 32, { (argument) >> 24, (argument) >> 16, (argument) >> 8, (argument) } }

KEYED(hash, (__u32)argument)
KEYED(lru_hash, (__u32)argument)
KEYED(per_cpu_hash, (__u32)argument)
KEYED(lru_per_cpu_hash, (__u32)argument)
KEYED(array, (__u32)argument)
KEYED(per_cpu_array, (__u32)argument)
KEYED(trie, IPV4(argument))

/* GET peeks, SET pushes, DELETE pops. */
#define LINEAR(map)                                                                                                    \
	SEC("raw_tp")                                                                                                  \
	int use_##map(struct bpf_raw_tracepoint_args *context)                                                         \
	{                                                                                                              \
		struct counts value = {};                                                                              \
                                                                                                                       \
		value.packets = context->args[2];                                                                      \
		value.bytes = context->args[3];                                                                        \
		if (context->args[0] == SET)                                                                           \
			result = (__s32)bpf_map_push_elem(&map, &value, BPF_ANY);                                      \
		else if (context->args[0] == DELETE)                                                                   \
			result = (__s32)bpf_map_pop_elem(&map, &found);                                                \
		else                                                                                                   \
			result = (__s32)bpf_map_peek_elem(&map, &found);                                               \
		return 0;                                                                                              \
	}

LINEAR(queue)
LINEAR(stack)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
