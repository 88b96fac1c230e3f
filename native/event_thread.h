// One thread per environment that waits for all its rings.
//
// Lifetime rules:
//  1. The thread calls epoll_wait and the thread-safe function, nothing else. It knows rings by token, never by
//     address: a token that went stale meanwhile is dropped on the JavaScript thread. Taking records out is
//     JavaScript's doing.
//  2. A ring is reported once each time it is armed (EPOLLONESHOT), so an unread ring costs no wake-ups.
//  3. `Stop` joins the thread before it releases the thread-safe function. It is called by the environment's cleanup
//     hook, which runs before that function's own (environment.h, rule 4).
//  4. The object is deleted by the thread-safe function's finaliser. After that Node calls `OnWake` once more for each
//     wake-up still queued, with no env and `self` dangling.
//  5. The function keeps the event loop alive only while a ring asks for it.

#pragma once

#include <node_api.h>
#include <pthread.h>

#include "environment.h"

namespace ebpf {

class EventThread {
 public:
  // Returns 0 or -errno.
  static int Start(napi_env env, Environment* environment, EventThread** thread);
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;

  // Reports `token` once, as soon as the descriptor is readable. 0 or -errno.
  int Arm(int descriptor, int64_t token);
  // Reports `token` at once when the descriptor is writable, and whenever it becomes so, until it is forgotten.
  int WatchWritable(int descriptor, int64_t token);
  // To be called before an armed descriptor is closed.
  void Forget(int descriptor);
  // Counts what keeps the event loop alive.
  void Reference(int change);
  void Stop();

 private:
  EventThread(napi_env env, Environment* environment) : env_(env), environment_(environment) {}
  ~EventThread();
  int Open();
  void Join();

  static void* Run(void* self);
  static void OnWake(napi_env env, napi_value function, void* self, void* token);
  static void OnFinalise(napi_env env, void* self, void* hint);

  const napi_env env_;
  Environment* environment_;  // null once stopped
  int epoll_ = -1;
  int stop_ = -1;
  pthread_t thread_ = {};
  napi_threadsafe_function wake_ = nullptr;
  int references_ = 0;
};

}  // namespace ebpf
