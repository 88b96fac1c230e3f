// What the event thread waits for: a ring buffer or the perf buffers of all CPUs, which JavaScript drains, and a user
// ring buffer, which it fills.
//
// Lifetime rules:
//  1. A source has descriptors of its own, duplicates of the map's or the perf events': closing those tokens does not
//  end
//     waiting.
//  2. It is opened, drained and destroyed on the JavaScript thread; the event thread knows its token only.
//  3. Nothing but a drain moves the consumer positions, once per call and memory, after the last copy, with release
//     order. A record that is not finished stops it, so an unread ring stays unread and the kernel's is the only queue.

#pragma once

#include "arguments.h"

namespace ebpf {

// A drain copies what it has looked at once it is this much: it is still in the processor's first cache then, and so
// short a copy is not one by `rep movsb`.
constexpr uint64_t kPiece = 4096;
// So far ahead of the header that is looked at, memory is asked for: on the next page, which no processor fetches by
// itself. Not beyond what is finished, where it would be taken away from the processor that writes.
constexpr uint64_t kAhead = 4096;

// Where a drain puts records: their bytes as they lie in the kernel's memory, and a table that says where in them the
// payload of each begins and how long it is, and from which CPU it came where that is known.
struct Drain {
  uint8_t* bytes;
  size_t size;
  uint32_t* offsets;
  uint32_t* lengths;
  uint32_t* cpus;
  uint32_t most_records;

  size_t used = 0;
  size_t payload = 0;  // the sum of the lengths
  uint32_t records = 0;
  bool more = false;          // finished records were left
  size_t needed = 0;          // what the first of those takes when there is none else
  uint64_t lost = 0;          // records that the kernel says it could not write
  uint64_t overwritten = 0;   // bytes of records that the kernel has written over before they were read
  bool cpus_changed = false;  // CPUs went online or offline

  bool Full() const { return records == most_records; }
  void Add(size_t offset, uint32_t length) {
    offsets[records] = static_cast<uint32_t>(offset);
    lengths[records] = length;
    payload += length;
    records++;
  }
  // A record of `step` bytes does not fit.
  void Stop(size_t step) {
    more = true;
    if (records == 0) needed = step;
  }
};

enum class SourceType : uint8_t { kRing, kPerfBuffer, kUserRing };

class EventSource : public Resource {
 public:
  static constexpr Kind kKind = Kind::kRing;

  int64_t DrainTo(const Arguments& arguments);
  int64_t Arm(const Arguments& arguments);
  int64_t Pending(const Arguments& arguments);
  int64_t Reference(const Arguments& arguments);
  void OnReady() override;

  const SourceType type;

 protected:
  EventSource(const Arguments& arguments, SourceType type_of_source)
      : Resource(kKind), type(type_of_source), env(arguments.env), environment(arguments.environment) {}
  ~EventSource() override;

  // 0, or -errno when what the kernel wrote makes no sense, or nothing can be taken.
  virtual int Take(Drain* /*drain*/) { return -EINVAL; }
  virtual uint64_t PendingBytes() = 0;
  // 1 when nothing is armed because there is something already.
  virtual int ArmAs(int64_t token);

  // Ends the opening: `error`, or the source's token. `on_ready` is called once after each `Arm`.
  int64_t Opened(const Arguments& arguments, napi_value on_ready, int error);

  const napi_env env;
  Environment& environment;
  int descriptor = -1;  // what is waited for

 private:
  void SetReferenced(bool referenced);

  napi_ref on_ready_ = nullptr;
  bool referenced_ = false;
};

// A method of one type of source, whose token is the first argument.
template <typename Class, int64_t (Class::*method)(const Arguments&)>
int64_t OnSource(const Arguments& arguments) {
  Resource* resource = arguments.environment.Find(arguments.Integer(0));
  auto* source =
      resource != nullptr && resource->kind == EventSource::kKind ? static_cast<EventSource*>(resource) : nullptr;
  return source != nullptr && source->type == Class::kType ? (static_cast<Class*>(source)->*method)(arguments) : -EBADF;
}

constexpr uint64_t Aligned(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

}  // namespace ebpf
