// One system call that may run off the event loop: bpf, perf_event_open, ioctl, and the close that ends an object.
//
// Lifetime rules:
//  1. A call works on copies of its buffers, since JavaScript may change or free its own meanwhile. Addresses and
//     descriptors stand in those copies only and are erased before anything is copied back: JavaScript sees none.
//     `Fill` and `IndexBtf` alone write where JavaScript's bytes are, which are kept: lib/sys gives none that others
//     can detach.
//  2. Each descriptor that a call names is in use (environment.h, rule 2) from its preparation to `Finish`.
//  3. `Run` touches the call alone: no table, no environment, no Node-API. The rest is for the JavaScript thread.
//  4. A call that was queued deletes itself when it is over; one that was not belongs to the entry that made it.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <vector>

#include "arguments.h"

namespace ebpf {

// What a descriptor is of: BPF_OBJ_GET does not say, the name of its inode does (kernel/bpf/syscall.c).
Kind Identify(int descriptor);

class Call {
 public:
  struct Block {
    std::unique_ptr<uint8_t, decltype(&free)> data;
    size_t size;
    bool returns;
  };

  Call(const Arguments& arguments, long number, Kind returned = Kind::kNone)
      : env_(arguments.env), environment_(arguments.environment), number_(number), returned_(returned) {
    environment_.CallStarted();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Copies the array `buffers`, of which the first is the attributes, and fills in its patches: lib/sys/addon.ts.
  int Copy(napi_value buffers, const Arguments& arguments, size_t patches);
  // The descriptor of a token, in use from now on, or -EBADF.
  int Use(int64_t token, Kind kind = Kind::kNone);
  // Makes the call in the network namespace of a token; 0 stands for the process's own. 0 or -errno.
  int Enter(int64_t token);
  // Makes the call one that reads a file's next `size` bytes to `data`. `kept` are the arrays that are written to. 0 or
  // -errno.
  int Fill(std::initializer_list<napi_value> kept, int descriptor, uint8_t* data, size_t size);
  // Has that call index what it reads, which is the whole of a BTF: type_index.h.
  void IndexBtf(uint32_t* words, size_t length);
  void Set(const std::vector<uint64_t>& words) { std::copy(words.begin(), words.end(), words_); }
  const std::vector<Block>& blocks() const { return blocks_; }
  // Whether a token's descriptor was put at the beginning of `block`.
  bool BeginsWithDescriptor(const Block& block) const;

  // Runs it and returns its result, or queues it for `completion` to get that, and returns 0 or -errno.
  static int64_t Start(std::unique_ptr<Call> call, napi_value completion);
  // Makes the call able to be queued. 0 or -errno.
  int Detach(napi_value completion);
  // Closes `descriptor` off the event loop, and at once where that is impossible.
  void Close(int descriptor);

 private:
  struct Place {
    uint8_t* data;
    size_t size;
  };

  int AddBlock(uint32_t direction);
  int Patch(const double* patch);
  // Makes the call, on a thread of its own when it enters a namespace.
  void Run();
  void Make();
  // Reads until all is there or the file ends: files of sysfs and procfs are handed out a page per call.
  int64_t ReadAll() const;
  // Makes a token of a descriptor that the kernel returned, copies back to the buffers; the result for JavaScript.
  int64_t Finish();

  static void Execute(napi_env /*env*/, void* self) { static_cast<Call*>(self)->Run(); }
  static void Complete(napi_env env, napi_status status, void* self);

  const napi_env env_;
  Environment& environment_;
  const long number_;
  uint64_t words_[5] = {};
  int64_t result_ = -ECANCELED;  // should it never run
  Kind returned_;
  int namespace_ = -1;
  MapShape shape_;
  std::vector<Block> blocks_;
  std::vector<Place> places_;  // of addresses and descriptors
  std::vector<Descriptor*> used_;
  uint32_t* index_ = nullptr;
  size_t index_length_ = 0;
  napi_value buffers_ = nullptr;  // valid in the entry that made the call, then in `Complete`
  napi_async_work work_ = nullptr;
  napi_ref kept_buffers_ = nullptr;
  napi_ref completion_ = nullptr;
};

}  // namespace ebpf
