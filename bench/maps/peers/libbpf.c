// SPDX-License-Identifier: MIT OR Apache-2.0
#include <bpf/bpf.h>
#include <stdint.h>

static int lookup(int map, const void *key, void *value)
{
	return bpf_map_lookup_elem(map, key, value);
}

static int update(int map, const void *key, const void *value)
{
	return bpf_map_update_elem(map, key, value, BPF_ANY);
}

static int erase(int map, const void *key)
{
	return bpf_map_delete_elem(map, key);
}

static int batch(int map, void *in, void *out, void *keys, void *values, uint32_t *count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);

	return bpf_map_lookup_batch(map, in, out, keys, values, count, &options);
}

static int open_map(uint32_t id)
{
	return bpf_map_get_fd_by_id(id);
}

#include "cases.h"

int main(int count, char **words)
{
	return count == 5 ? serve(words) : 2;
}
