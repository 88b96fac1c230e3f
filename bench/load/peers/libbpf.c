// SPDX-License-Identifier: MIT OR Apache-2.0
/* One cold start of libbpf: libbpf names <name>... | load <object>. From main to ready, as JSON. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int report(double start)
{
	struct rusage usage;
	double milliseconds = now() - start;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"milliseconds\":%f,\"kilobytes\":%ld}\n", milliseconds, usage.ru_maxrss);
	return 0;
}

int main(int count, char **words)
{
	double start = now();

	if (count > 2 && !strcmp(words[1], "names")) {
		struct btf *btf = btf__load_vmlinux_btf();

		if (!btf)
			return 1;
		for (int index = 2; index < count; index++)
			if (btf__find_by_name(btf, words[index]) < 0)
				return 1;
		return report(start);
	}
	if (count == 3 && !strcmp(words[1], "load")) {
		struct bpf_object *object = bpf_object__open_file(words[2], NULL);

		if (!object || bpf_object__load(object))
			return 1;
		return report(start);
	}
	/* The process alone, for what memory the runtime takes. */
	return report(start);
}
