// SPDX-License-Identifier: MIT OR Apache-2.0
/* Attaches one program to many kernel functions by pattern and detaches it: libbpf <object> <program> <pattern>. As JSON. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int count, char **words)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;
	double start, attached, detached;

	if (count != 4 || !(object = bpf_object__open(words[1])) || bpf_object__load(object))
		return 1;
	program = bpf_object__find_program_by_name(object, words[2]);
	start = now();
	link = program ? bpf_program__attach_kprobe_multi_opts(program, words[3], NULL) : NULL;
	attached = now();
	if (!link || bpf_link__destroy(link))
		return 1;
	detached = now();
	printf("{\"attach\":%f,\"detach\":%f}\n", attached - start, detached - attached);
	bpf_object__close(object);
	return 0;
}
