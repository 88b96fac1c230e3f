// One system call that may run off the event loop: bpf, perf_event_open, ioctl, close.
//
// Lifetime rules:
//  1. A call works on its own copy of the attributes, and of every buffer it patches. Addresses and descriptors stand
//     in those copies only, and are taken out again before anything is copied back: JavaScript never sees one.
//  2. Off the event loop it works on copies of all buffers, since JavaScript may change or free its own meanwhile.
//  3. Each descriptor that a call names is in use (table.h, rule 2) from `Prepare…` to `Finish`.
//  4. `Run` touches the call alone: no table, no environment, no Node-API. `Finish` runs on the JavaScript thread.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "arguments.h"
#include "environment.h"

namespace ebpf {

class Call {
 public:
  static constexpr size_t kLargestAttr = 256;

  Call(Environment& environment, bool detached) : environment_(environment), detached_(detached) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Each returns 0 or -errno, having changed nothing then.
  int PrepareBpf(napi_env env, uint32_t command, napi_value attr, napi_value buffers, napi_value directions,
                 napi_value pointers, napi_value tokens);
  int PreparePerfEventOpen(napi_env env, napi_value attr, int64_t pid, int64_t cpu, int64_t group, int64_t flags);
  int PreparePerfEventControl(napi_env env, int64_t event, uint32_t request, napi_value argument, int64_t token);
  void PrepareDestroy(Descriptor* descriptor);

  void Run();

  // Ends the uses, makes a token of a descriptor the kernel returned and copies back to the buffers, which the caller
  // of an off-loop call passes again. Returns the result for JavaScript.
  int64_t Finish(napi_env env, napi_value attr, napi_value buffers);

 private:
  enum class Operation : uint8_t { kBpf, kPerfEventOpen, kControl, kDestroy };

  struct Block {
    uint8_t* data;
    size_t size;
    uint8_t direction;  // 1 the kernel reads it, 2 it writes it
    bool owned;
  };

  struct Patch {
    uint8_t* place;
    uint64_t saved;
    uint8_t size;
  };

  Environment& environment_;
  const bool detached_;
  Operation operation_ = Operation::kBpf;
  uint32_t command_ = 0;
  size_t attr_size_ = 0;
  int64_t numbers_[4] = {};
  int64_t result_ = 0;
  Kind returned_ = Kind::kNone;
  MapShape shape_;
  Descriptor* doomed_ = nullptr;
  std::vector<Block> blocks_;
  std::vector<Patch> patches_;
  std::vector<Descriptor*> used_;
  alignas(8) uint8_t attr_[kLargestAttr] = {};

  int CopyAttr(napi_env env, napi_value attr);
  int TakeBuffers(napi_env env, napi_value buffers, napi_value directions);
  int Own(Block* block);
  // The place of `size` bytes at `offset` of a holder: -1 the attributes, else a block. Null when it does not fit.
  uint8_t* Place(int64_t holder, int64_t offset, size_t size);
  void Write(uint8_t* place, const void* value, uint8_t size);
  int Use(int64_t token, Kind kind, Descriptor** descriptor);
  void RunBpf();
};

}  // namespace ebpf
