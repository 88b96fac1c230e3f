// The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c).
//
// Lifetime rules:
//  1. A ring has a descriptor of its own, a duplicate of the map's: closing the map's token does not end waiting.
//  2. It is opened, drained and destroyed on the JavaScript thread; the event thread knows its token only.
//  3. Nothing but `Drain` moves the consumer position, once per call, after the last copy, with release order. A record
//     that is not finished stops it, so an unread ring stays unread and the kernel counts what does not fit.

#pragma once

#include <cstdint>
#include <node_api.h>

#include "environment.h"

namespace ebpf {

class Ring final : public Resource {
 public:
  // The token, or -errno.
  static int64_t Open(napi_env env, Environment& environment, const Descriptor& map, napi_value on_ready);
  static Ring* Find(const Environment& environment, int64_t token);
  ~Ring() override;

  struct Report {
    uint32_t records;
    uint32_t more;    // 1 when finished records were left
    uint32_t needed;  // bytes the first record left would take, when none fit
  };

  // Copies whole records; the bytes written, or -EIO when the ring's contents make no sense.
  int64_t Drain(uint8_t* destination, size_t size, Report* report);
  int Arm();
  uint64_t Pending() const;
  void SetReferenced(bool referenced);
  void CallReady();

 private:
  Ring(napi_env env, Environment& environment, uint32_t data_size);
  int Map(const Descriptor& map);

  const napi_env env_;
  Environment& environment_;
  const size_t page_size_;
  const uint64_t data_size_;  // a power of two
  int descriptor_ = -1;
  int64_t token_ = -1;
  uint64_t* consumer_ = nullptr;        // a page of its own, the only one mapped writable
  const uint64_t* producer_ = nullptr;  // a page, followed by the data twice over, so that no record wraps
  const uint8_t* data_ = nullptr;
  napi_ref on_ready_ = nullptr;
  bool registered_ = false;
  bool referenced_ = false;
};

}  // namespace ebpf
