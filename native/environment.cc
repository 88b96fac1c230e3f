#include "environment.h"

#include <cerrno>
#include <new>
#include <unistd.h>

#include "event_thread.h"

namespace ebpf {

Environment::Environment(napi_env env) : possible_cpus(PossibleCpus()), env_(env) {}

Environment* Environment::Create(napi_env env) {
  auto* environment = new (std::nothrow) Environment(env);
  if (environment == nullptr) return nullptr;
  if (napi_set_instance_data(env, environment, OnFinalise, nullptr) != napi_ok ||
      napi_add_env_cleanup_hook(env, OnCleanup, environment) != napi_ok) {
    return nullptr;
  }
  return environment;
}

EventThread* Environment::Events(int* error) {
  if (events != nullptr) return events;
  *error = EventThread::Start(env_, this, &events);
  if (*error < 0) return nullptr;
  napi_remove_env_cleanup_hook(env_, OnCleanup, this);
  napi_add_env_cleanup_hook(env_, OnCleanup, this);
  return events;
}

int64_t Environment::Adopt(Kind kind, int descriptor, const MapShape& shape) {
  auto* resource = dead_ ? nullptr : new (std::nothrow) Descriptor(kind, descriptor, shape);
  if (resource != nullptr) return table.Insert(resource);
  close(descriptor);
  return dead_ ? -ECANCELED : -ENOMEM;
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
  while (Resource* resource = environment->table.RemoveAny()) resource->Close();
}

void Environment::OnFinalise(napi_env /*env*/, void* self, void* /*hint*/) {
  auto* environment = static_cast<Environment*>(self);
  environment->finalised_ = true;
  if (environment->calls_ == 0) delete environment;
}

}  // namespace ebpf
