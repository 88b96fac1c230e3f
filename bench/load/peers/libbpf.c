// SPDX-License-Identifier: MIT OR Apache-2.0
/* One cold start of libbpf: libbpf names <name>... | load <object>. From main to ready, as JSON. */
#define _GNU_SOURCE
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* Milliseconds within bpf(2): what is left of a load is libbpf's own time. */
static double in_kernel;

/* libbpf's calls come here before they go to the C library. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	double start = now();
	long words[6];
	long result;
	va_list rest;

	va_start(rest, number);
	for (int index = 0; index < 6; index++)
		words[index] = va_arg(rest, long);
	va_end(rest);
	if (!real)
		real = dlsym(RTLD_NEXT, "syscall");
	result = real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
	if (number == __NR_bpf)
		in_kernel += now() - start;
	return result;
}

static int report(double start)
{
	struct rusage usage;
	double milliseconds = now() - start;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"milliseconds\":%f,\"own\":%f,\"kilobytes\":%ld}\n", milliseconds, milliseconds - in_kernel,
	       usage.ru_maxrss);
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
