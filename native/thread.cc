#include "thread.h"

#include <csignal>

// glibc 2.34 gave its thread functions new versions when it moved them into libc. With the old ones a binary that is
// built on a new system still loads on an old one.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create,pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_create,pthread_create@GLIBC_2.17");
__asm__(".symver pthread_join,pthread_join@GLIBC_2.17");
#endif

namespace ebpf {

int StartThread(pthread_t* thread, void* (*run)(void*), void* data) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(thread, nullptr, run, data);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return -error;
}

void JoinThread(pthread_t thread) { pthread_join(thread, nullptr); }

}  // namespace ebpf
