// Threads of the addon's own.

#pragma once

#include <pthread.h>

namespace ebpf {

// Starts a thread that blocks all signals: those belong to the threads that Node started. 0 or -errno.
int StartThread(pthread_t* thread, void* (*run)(void*), void* data);
void JoinThread(pthread_t thread);

}  // namespace ebpf
