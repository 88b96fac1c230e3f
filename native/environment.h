// What JavaScript holds instead of descriptors and addresses, and all state of one JavaScript environment: the main
// thread's or a Worker's. There is none outside of it but what share.cc and mapping.cc say.
//
// Lifetime rules:
//  1. A token names one slot in one generation. Closing ends the generation at once: the token is refused from then on,
//     whoever gets the slot next.
//  2. A resource is destroyed by `Close`, or, when a call that runs off the event loop uses it then, by the end of the
//     last such call. So a descriptor's number is never closed, and given to something else, under a running call.
//  3. All of it is touched on the environment's JavaScript thread only.
//  4. The environment's cleanup hook (process end, worker.terminate()) stops the event thread, then closes every
//     resource. The hook is registered anew after the thread-safe function is made, so it runs before that function's
//     own: the thread is gone before what it calls.
//  5. Node waits for calls off the event loop before it runs the hook. Should another runtime not do so, the
//     environment lives on until the last of them ends, and what they bring is closed on arrival.
//  6. Nothing calls into JavaScript once `dead`.

#pragma once

#include <cstdint>
#include <node_api.h>
#include <vector>

#include "system.h"

namespace ebpf {

class Call;
class EventThread;

// lib/sys/object-calls.ts lists them in the same order.
enum class Kind : uint8_t {
  kNone,
  kOther,
  kMap,
  kProgram,
  kLink,
  kBtf,
  kPerfEvent,
  kIterator,
  kSocket,
  kMapping,
  kRing
};

class Resource {
 public:
  explicit Resource(Kind kind_of_resource) : kind(kind_of_resource) {}
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  virtual void Close() { delete this; }
  // What the event thread waited for, on the JavaScript thread.
  virtual void OnReady() {}

  const Kind kind;

 protected:
  virtual ~Resource() = default;
};

class Descriptor final : public Resource {
 public:
  Descriptor(Kind kind_of_object, int descriptor, const MapShape& shape_of_map)
      : Resource(kind_of_object), shape(shape_of_map), number_(descriptor) {}
  ~Descriptor() override;

  int number() const { return number_; }
  void Use() { uses_++; }
  void EndUse();
  void Close() override;
  // As `Close`, but it is the call `closer` that closes the descriptor.
  void CloseBy(Call* closer);

  const MapShape shape;
  bool shared = false;  // there may be shares of it: share.cc

 private:
  int number_;
  uint32_t uses_ = 1;  // the table's is one
  Call* closer_ = nullptr;
};

// Closes what was made to be taken by other environments, and was not.
void EndShares(const Descriptor* owner);

class Environment {
 public:
  // Null when there is no memory or the environment is ending.
  static Environment* Create(napi_env env);

  // Takes the resource and returns its token, or closes it and returns -ENFILE when the table is full.
  int64_t Insert(Resource* resource);
  // The same for a descriptor that a call brought; closes it when the environment is dead.
  int64_t Adopt(Kind kind, int descriptor, const MapShape& shape);

  // Null for a token that is stale or was never given.
  Resource* Find(int64_t token) const;
  // The same when it is a descriptor, of `kind` unless that is kNone.
  Descriptor* FindDescriptor(int64_t token, Kind kind = Kind::kNone) const;
  // Takes the resource out; the token is stale from now on.
  Resource* Remove(int64_t token);

  // The event thread, started at the first call; null and `*error` when it cannot be.
  EventThread* Events(int* error);

  void CallStarted() { calls_++; }
  void CallEnded();

  EventThread* events = nullptr;
  const uint32_t possible_cpus;

  // Memory of JavaScript that cannot move, be detached or end before the environment: what travels here costs no typed
  // array as an argument. Two parts: a key, or a number of a mapping; and a value. Null until it is given.
  static constexpr size_t kPartSize = 64;
  uint8_t* area = nullptr;

 private:
  struct Slot {
    Resource* resource;
    uint32_t generation;
  };

  explicit Environment(napi_env env) : possible_cpus(PossibleCpus()), env_(env) {}
  static void OnCleanup(void* self);
  static void OnFinalise(napi_env env, void* self, void* hint);

  const napi_env env_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t calls_ = 0;
  bool dead_ = false;
  bool finalised_ = false;
};

}  // namespace ebpf
