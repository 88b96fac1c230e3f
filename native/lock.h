// A lock held to the end of a block. Where two environments can meet there is one, and no Node-API under it.

#pragma once

#include <pthread.h>

namespace ebpf {

class Locked {
 public:
  explicit Locked(pthread_mutex_t* mutex) : mutex_(mutex) { pthread_mutex_lock(mutex_); }
  ~Locked() { pthread_mutex_unlock(mutex_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  pthread_mutex_t* const mutex_;
};

}  // namespace ebpf
