// Versions of glibc's thread functions from before 2.34, when they moved into libc: a binary that is built on a new
// system then still loads on an old one.

#pragma once

#include <features.h>

#if defined(__GLIBC__) && defined(__x86_64__)
#define EBPF_OLD_SYMBOL(name) __asm__(".symver " #name "," #name "@GLIBC_2.2.5")
#elif defined(__GLIBC__) && defined(__aarch64__)
#define EBPF_OLD_SYMBOL(name) __asm__(".symver " #name "," #name "@GLIBC_2.17")
#else
#define EBPF_OLD_SYMBOL(name) static_assert(true, "")
#endif

EBPF_OLD_SYMBOL(pthread_create);
EBPF_OLD_SYMBOL(pthread_join);
EBPF_OLD_SYMBOL(pthread_attr_setstacksize);
