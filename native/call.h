// One system call that may run off the event loop: bpf, perf_event_open, ioctl, and the close that ends an object.
//
// Lifetime rules:
//  1. A call works on copies of its buffers, since JavaScript may change or free its own meanwhile. Addresses and
//     descriptors stand in those copies only and are erased before anything is copied back: JavaScript sees none.
//  2. Each descriptor that a call names is in use (table.h, rule 2) from its preparation to `Finish`.
//  3. `Run` touches the call alone: no table, no environment, no Node-API. The rest is for the JavaScript thread.
//  4. A call that was queued deletes itself when it is over; one that was not belongs to the entry that made it.

#pragma once

#include <cstdlib>
#include <memory>
#include <node_api.h>
#include <vector>

#include "environment.h"

namespace ebpf {

class Call {
 public:
  Call(napi_env env, Environment& environment) : env_(env), environment_(environment) { environment.CallStarted(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Each returns 0 or -errno.
  int PrepareBpf(uint32_t command, napi_value buffers, napi_value directions, napi_value patches);
  int PreparePerfEventOpen(napi_value attr, int64_t pid, int64_t cpu, int64_t group, int64_t flags);
  int PrepareControl(int64_t event, uint32_t request, napi_value argument, int64_t token);

  // Makes the call able to be queued: `completion` gets its result, the array `buffers` what the kernel wrote.
  int Detach(napi_value buffers, napi_value completion);
  // 0, or -errno when it did not start; then the call is deleted and `completion` is not called.
  int Queue();
  // Closes `descriptor` off the event loop, and at once where that is impossible.
  void QueueDestroy(Descriptor* descriptor);

  void Run();
  // Makes a token of a descriptor that the kernel returned, copies back to `buffers`; the result for JavaScript.
  int64_t Finish(napi_value buffers);

 private:
  enum class Operation : uint8_t { kBpf, kPerfEventOpen, kControl, kDestroy };

  struct Free {
    void operator()(uint8_t* data) const { free(data); }
  };
  struct Block {
    std::unique_ptr<uint8_t, Free> data;
    size_t size;
    uint8_t direction;
  };
  struct Patch {
    uint8_t* place;
    size_t size;
  };

  int AddBlock(napi_value buffer, uint8_t direction);
  int Write(double holder, double offset, const void* value, size_t size);
  int Use(int64_t token, Kind kind, int* number);
  void RunBpf();

  static void Execute(napi_env env, void* self);
  static void Complete(napi_env env, napi_status status, void* self);

  const napi_env env_;
  Environment& environment_;
  Operation operation_ = Operation::kBpf;
  uint32_t command_ = 0;
  int64_t numbers_[4] = {};
  int64_t result_ = 0;
  Kind returned_ = Kind::kNone;
  MapShape shape_;
  Descriptor* doomed_ = nullptr;
  std::vector<Block> blocks_;  // bpf: the attributes, then the buffers
  std::vector<Patch> patches_;
  std::vector<Descriptor*> used_;
  napi_async_work work_ = nullptr;
  napi_ref buffers_ = nullptr;
  napi_ref completion_ = nullptr;
};

}  // namespace ebpf
