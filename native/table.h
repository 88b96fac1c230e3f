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

class Resource {
 public:
  explicit Resource(Kind kind) : kind_(kind) {}
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  Kind kind() const { return kind_; }
  virtual void Close() { delete this; }
  // What the event thread waited for, on the JavaScript thread.
  virtual void OnReady() {}

 protected:
  virtual ~Resource() = default;

 private:
  const Kind kind_;
};

class Descriptor final : public Resource {
 public:
  // Someone who destroys a descriptor in a way of its own.
  class Destroyer {
   public:
    virtual void Take(Descriptor* descriptor) = 0;

   protected:
    ~Destroyer() = default;
  };

  Descriptor(Kind kind, int number, const MapShape& shape) : Resource(kind), shape_(shape), number_(number) {}
  ~Descriptor() override;

  int number() const { return number_; }
  const MapShape& shape() const { return shape_; }

  void Use() { uses_++; }
  void EndUse();
  void Close() override { CloseBy(nullptr); }
  // Hands it to `destroyer`, or deletes it, now or at the end of the last use.
  void CloseBy(Destroyer* destroyer);

 private:
  const MapShape shape_;
  const int number_;
  uint32_t uses_ = 0;
  bool closed_ = false;
  Destroyer* destroyer_ = nullptr;
};

class Table {
 public:
  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Takes the resource and returns its token, or closes it and returns -ENFILE when the table is full.
  int64_t Insert(Resource* resource);

  // Null for a token that is stale or was never given.
  Resource* Find(int64_t token) const;

  // The same when it is a descriptor, of `kind` unless that is kNone.
  Descriptor* FindDescriptor(int64_t token, Kind kind = Kind::kNone) const;

  template <typename Class>
  Class* FindA(int64_t token) const {
    Resource* resource = Find(token);
    return resource != nullptr && resource->kind() == Class::kKind ? static_cast<Class*>(resource) : nullptr;
  }

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
};

}  // namespace ebpf
