// All state of one JavaScript environment: the main thread's or a Worker's. There is none outside of it.
//
// Lifetime rules:
//  1. The environment's cleanup hook (process end, worker.terminate()) stops the event thread, then closes every
//     resource. The hook is registered anew after the thread-safe function is made, so it runs before that function's
//     own: the thread is gone before what it calls.
//  2. Node waits for calls off the event loop before it runs the hook. Should another runtime not do so, the
//     environment lives on until the last of them ends, and what they bring is closed on arrival.
//  3. Nothing calls into JavaScript once `dead`.

#pragma once

#include <node_api.h>

#include "table.h"

namespace ebpf {

class EventThread;

class Environment {
 public:
  static Environment* Create(napi_env env);

  Table table;
  EventThread* events = nullptr;
  const uint32_t possible_cpus;

  // The event thread, started at the first call; null and `*error` when it cannot be.
  EventThread* Events(int* error);

  // Makes a token for a descriptor that a call brought, or closes it when the environment is dead.
  int64_t Adopt(Kind kind, int descriptor, const MapShape& shape);

  void CallStarted() { calls_++; }
  void CallEnded();

 private:
  explicit Environment(napi_env env);

  const napi_env env_;
  uint32_t calls_ = 0;
  bool dead_ = false;
  bool finalised_ = false;

  static void OnCleanup(void* self);
  static void OnFinalise(napi_env env, void* self, void* hint);
};

}  // namespace ebpf
