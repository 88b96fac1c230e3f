// What JavaScript holds instead of descriptors and addresses.
//
// Lifetime rules:
//  1. A token names one slot in one generation. Closing ends the generation at once: the token is refused from then on,
//     whoever gets the slot next.
//  2. A resource is destroyed by `Close`, or, when a call that runs off the event loop uses it then, by the end of the
//     last such call. So a descriptor's number is never closed, and given to something else, under a running call.
//  3. Table and use counts are touched on the environment's JavaScript thread only.

#pragma once

#include <cstdint>
#include <vector>

#include "system.h"

namespace ebpf {

// lib/sys/object-calls.ts lists them in the same order.
enum class Kind : uint8_t { kNone, kOther, kMap, kProgram, kLink, kBtf, kPerfEvent, kIterator, kMapping, kRing };

class Call;

class Resource {
 public:
  explicit Resource(Kind kind) : kind_(kind) {}
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  virtual ~Resource() = default;

  Kind kind() const { return kind_; }

 private:
  const Kind kind_;
};

class Descriptor final : public Resource {
 public:
  Descriptor(Kind kind, int descriptor, const MapShape& shape)
      : Resource(kind), shape_(shape), descriptor_(descriptor) {}
  ~Descriptor() override;

  int number() const { return descriptor_; }
  const MapShape& shape() const { return shape_; }

  void Use() { uses_++; }
  void EndUse();
  // Destroys it now or at the end of the last use; off the event loop when given a call to do it, which it takes.
  void Close(Call* closer);

 private:
  const MapShape shape_;
  const int descriptor_;
  uint32_t uses_ = 0;
  bool closed_ = false;
  Call* closer_ = nullptr;

  void Destroy();
};

class Table {
 public:
  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Takes the resource and returns its token, or destroys it and returns -ENFILE when the table is full.
  int64_t Insert(Resource* resource);

  // Null for a token that is stale or was never given.
  Resource* Find(int64_t token) const;

  // The resource when it is a descriptor, of `kind` unless that is kNone.
  Descriptor* FindDescriptor(int64_t token, Kind kind = Kind::kNone) const;

  // Takes the resource out; the token is stale from now on.
  Resource* Remove(int64_t token);

  // Takes out any one resource; null when the table is empty.
  Resource* RemoveAny();

 private:
  struct Slot {
    Resource* resource;
    uint32_t generation;
  };

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;

  void Free(uint32_t index);
};

}  // namespace ebpf
