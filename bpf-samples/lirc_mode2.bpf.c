// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/* An infrared receiver's pulses are told as keys: the scan code is how many microseconds they took. */
#include <linux/bpf.h>
#include <linux/lirc.h>
#include <bpf/bpf_helpers.h>

__u64 pulses = 0;

SEC("lirc_mode2")
int decode(unsigned int *sample)
{
	if (!LIRC_IS_PULSE(*sample))
		return 0;
	__sync_fetch_and_add(&pulses, 1);
	bpf_rc_keydown(sample, 0, LIRC_VALUE(*sample), 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
