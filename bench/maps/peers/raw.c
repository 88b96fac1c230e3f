// SPDX-License-Identifier: MIT OR Apache-2.0
/* The floor: the system calls and nothing else. */
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr, size_t size)
{
	return syscall(SYS_bpf, command, attr, size);
}

static int element(int command, int map, const void *key, const void *value)
{
	union bpf_attr attr;
	const size_t size = offsetof(union bpf_attr, flags) + sizeof(attr.flags);

	memset(&attr, 0, size);
	attr.map_fd = map;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return bpf(command, &attr, size);
}

static int lookup(int map, const void *key, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

static int update(int map, const void *key, const void *value)
{
	return element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

static int erase(int map, const void *key)
{
	return element(BPF_MAP_DELETE_ELEM, map, key, NULL);
}

static int batch(int map, void *in, void *out, void *keys, void *values, uint32_t *count)
{
	union bpf_attr attr;
	int result;

	memset(&attr, 0, sizeof(attr.batch));
	attr.batch.in_batch = (uintptr_t)in;
	attr.batch.out_batch = (uintptr_t)out;
	attr.batch.keys = (uintptr_t)keys;
	attr.batch.values = (uintptr_t)values;
	attr.batch.count = *count;
	attr.batch.map_fd = map;
	result = bpf(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr.batch));
	*count = attr.batch.count;
	return result;
}

static int open_map(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_id = id;
	return bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
}

#include "cases.h"

int main(int count, char **words)
{
	return count == 5 ? serve(words) : 2;
}
