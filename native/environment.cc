#include "environment.h"

#include <cerrno>
#include <new>
#include <unistd.h>
#include <utility>

#include "event_thread.h"

namespace ebpf {

namespace {

// A token is generation * 2^20 + index: positive, below 2^53, and a small integer for V8 through the first generations.
constexpr unsigned kIndexBits = 20;
constexpr uint32_t kSlots = 1U << kIndexBits;

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

void Descriptor::Close() {
  if (shared) EndShares(this);
  EndUse();
}

Environment* Environment::Create(napi_env env) {
  auto* environment = new (std::nothrow) Environment(env);
  if (environment == nullptr || napi_set_instance_data(env, environment, OnFinalise, nullptr) != napi_ok ||
      napi_add_env_cleanup_hook(env, OnCleanup, environment) != napi_ok) {
    return nullptr;
  }
  return environment;
}

int64_t Environment::Insert(Resource* resource) {
  uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (slots_.size() < kSlots) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.push_back({nullptr, 1});
  } else {
    resource->Close();
    return -ENFILE;
  }
  slots_[index].resource = resource;
  return (static_cast<int64_t>(slots_[index].generation) << kIndexBits) | index;
}

int64_t Environment::Adopt(Kind kind, int descriptor, const MapShape& shape) {
  auto* resource = dead_ ? nullptr : new (std::nothrow) Descriptor(kind, descriptor, shape);
  if (resource != nullptr) return Insert(resource);
  close(descriptor);
  return dead_ ? -ECANCELED : -ENOMEM;
}

Resource* Environment::Find(int64_t token) const {
  if (token < 0) return nullptr;
  const auto index = static_cast<uint32_t>(token & (kSlots - 1));
  if (index >= slots_.size() || slots_[index].generation != token >> kIndexBits) return nullptr;
  return slots_[index].resource;
}

Descriptor* Environment::FindDescriptor(int64_t token, Kind kind) const {
  Resource* resource = Find(token);
  if (resource == nullptr || resource->kind >= Kind::kMapping) return nullptr;
  return kind == Kind::kNone || resource->kind == kind ? static_cast<Descriptor*>(resource) : nullptr;
}

Resource* Environment::Remove(int64_t token) {
  Resource* resource = Find(token);
  if (resource == nullptr) return nullptr;
  const auto index = static_cast<uint32_t>(token & (kSlots - 1));
  Slot& slot = slots_[index];
  slot = {nullptr, slot.generation == UINT32_MAX ? 1 : slot.generation + 1};
  free_.push_back(index);
  return resource;
}

EventThread* Environment::Events(int* error) {
  if (events != nullptr) return events;
  *error = EventThread::Start(env_, this, &events);
  if (*error < 0) return nullptr;
  napi_remove_env_cleanup_hook(env_, OnCleanup, this);
  napi_add_env_cleanup_hook(env_, OnCleanup, this);
  return events;
}

void Environment::CallEnded() {
  calls_--;
  if (calls_ == 0 && finalised_) delete this;
}

void Environment::OnCleanup(void* self) {
  auto* environment = static_cast<Environment*>(self);
  environment->dead_ = true;
  EventThread* events = environment->events;
  environment->events = nullptr;
  if (events != nullptr) events->Stop();
  for (const Slot& slot : std::exchange(environment->slots_, {})) {
    if (slot.resource != nullptr) slot.resource->Close();
  }
  environment->free_.clear();
}

void Environment::OnFinalise(napi_env /*env*/, void* self, void* /*hint*/) {
  auto* environment = static_cast<Environment*>(self);
  environment->finalised_ = true;
  if (environment->calls_ == 0) delete environment;
}

}  // namespace ebpf
