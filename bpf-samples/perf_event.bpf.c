// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * Runs at perf events. `count` counts its runs, those in one process, and for each CPU and thread; `with_cookie` also
 * notes what it was attached with.
 */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>

/* Nothing is counted for each CPU and thread until this is set. */
const volatile __u32 target_pid = 0;

__u64 runs = 0;
__u64 runs_of_target = 0;
__u64 last_cookie = 0;
__u64 last_address = 0;
__u64 last_period = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} runs_by_cpu SEC(".maps"), runs_by_thread SEC(".maps");

static __always_inline void add_one(void *map, __u32 key)
{
	__u64 *known = bpf_map_lookup_elem(map, &key), one = 1;

	if (known)
		__sync_fetch_and_add(known, 1);
	else
		bpf_map_update_elem(map, &key, &one, BPF_NOEXIST);
}

static __always_inline void look(struct bpf_perf_event_data *context)
{
	__u64 task = bpf_get_current_pid_tgid();

	__sync_fetch_and_add(&runs, 1);
	last_address = context->addr;
	last_period = context->sample_period;
	if (!target_pid || task >> 32 != target_pid)
		return;
	__sync_fetch_and_add(&runs_of_target, 1);
	add_one(&runs_by_cpu, bpf_get_smp_processor_id());
	add_one(&runs_by_thread, task);
}

SEC("perf_event")
int count(struct bpf_perf_event_data *context)
{
	look(context);
	return 0;
}

/* Needs kernel 5.15. */
SEC("?perf_event")
int with_cookie(struct bpf_perf_event_data *context)
{
	last_cookie = bpf_get_attach_cookie(context);
	look(context);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
