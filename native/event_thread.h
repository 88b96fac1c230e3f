// One thread per environment that waits for all its rings.
//
// Lifetime rules:
//  1. The thread calls epoll_wait and the thread-safe function, nothing else. It knows rings by token, never by
//  address:
//     a token that went stale meanwhile is dropped on the JavaScript thread. Taking records out is JavaScript's doing.
//  2. A ring is reported once each time it is armed (EPOLLONESHOT), so an unread ring costs no wake-ups.
//  3. `Stop` joins the thread before it releases the thread-safe function. It is called by the environment's cleanup
//     hook, which runs before that function's own (environment.h, rule 1).
//  4. The object is deleted by the thread-safe function's finaliser, the last that can call `OnWake`.
//  5. The function keeps the event loop alive only while a ring asks for it.

#pragma once

#include <atomic>
#include <cstdint>
#include <node_api.h>
#include <pthread.h>
#include <vector>

namespace ebpf {

class Environment;

class EventThread {
 public:
  // Returns 0 or -errno.
  static int Start(napi_env env, Environment* environment, EventThread** thread);

  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;

  // Registers a descriptor without waiting for it yet. 0 or -errno.
  int Add(int descriptor);
  // Reports `token` once, as soon as the descriptor is readable. 0 or -errno.
  int Arm(int descriptor, int64_t token);
  void Remove(int descriptor);

  // Counts what keeps the event loop alive.
  void Reference();
  void Unreference();

  void Stop();

 private:
  EventThread(napi_env env, Environment* environment) : env_(env), environment_(environment) {}
  ~EventThread();

  int Open();
  void Wait();
  void Dispatch();

  static void* Run(void* self);
  static void OnWake(napi_env env, napi_value function, void* self, void* data);
  static void OnFinalise(napi_env env, void* self, void* hint);

  const napi_env env_;
  Environment* environment_;  // null once stopped
  int epoll_ = -1;
  int stop_ = -1;
  pthread_t thread_ = {};
  napi_threadsafe_function wake_ = nullptr;
  uint32_t references_ = 0;
  std::atomic<bool> woken_{false};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  std::vector<int64_t> ready_;  // under mutex_
};

}  // namespace ebpf
