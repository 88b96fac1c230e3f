#include "event_thread.h"

#include <cerrno>
#include <new>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"

namespace ebpf {

namespace {

constexpr uint64_t kStop = UINT64_MAX;  // no token
constexpr int kEventsAtOnce = 64;

static_assert(sizeof(void*) == sizeof(int64_t), "tokens travel as pointers: only 64-bit systems are supported");

}  // namespace

int EventThread::Start(napi_env env, Environment* environment, EventThread** thread) {
  auto* events = new (std::nothrow) EventThread(env, environment);
  if (events == nullptr) return -ENOMEM;
  int error = events->Open();
  napi_value name = nullptr;
  if (error == 0 && (napi_create_string_latin1(env, "node-ebpf events", NAPI_AUTO_LENGTH, &name) != napi_ok ||
                     napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, events, OnFinalise, events,
                                                     OnWake, &events->wake_) != napi_ok)) {
    error = -ENOMEM;
  }
  if (error != 0) {
    delete events;
    return error;
  }
  napi_unref_threadsafe_function(env, events->wake_);

  error = StartThread(&events->thread_, Run, events);
  if (error != 0) {
    events->environment_ = nullptr;
    napi_release_threadsafe_function(events->wake_, napi_tsfn_abort);
    return error;
  }
  *thread = events;
  return 0;
}

int EventThread::Open() {
  epoll_ = AboveStandard(epoll_create1(EPOLL_CLOEXEC));
  if (epoll_ < 0) return -errno;
  stop_ = AboveStandard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stop_ < 0) return -errno;
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = kStop;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_, &event) < 0 ? -errno : 0;
}

EventThread::~EventThread() {
  if (stop_ >= 0) close(stop_);
  if (epoll_ >= 0) close(epoll_);
}

int EventThread::Arm(int descriptor, int64_t token) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = static_cast<uint64_t>(token);
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0) return 0;
  const bool first = errno == ENOENT;
  return first && epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : -errno;
}

int EventThread::WatchWritable(int descriptor, int64_t token) {
  epoll_event event = {};
  event.events = EPOLLOUT | EPOLLET;
  event.data.u64 = static_cast<uint64_t>(token);
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0 || errno == EEXIST ? 0 : -errno;
}

void EventThread::Forget(int descriptor) { epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr); }

void EventThread::Reference(int change) {
  references_ += change;
  if (references_ == 0) {
    napi_unref_threadsafe_function(env_, wake_);
  } else {
    napi_ref_threadsafe_function(env_, wake_);
  }
}

void EventThread::Stop() {
  environment_ = nullptr;
  Join();
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

void EventThread::Join() {
  const uint64_t one = 1;
  while (write(stop_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  JoinThread(thread_);
}

void* EventThread::Run(void* self) {
  const auto* thread = static_cast<EventThread*>(self);
  epoll_event events[kEventsAtOnce];
  for (;;) {
    const int count = epoll_wait(thread->epoll_, events, kEventsAtOnce, -1);
    if (count < 0 && errno != EINTR) return nullptr;
    for (int index = 0; index < count; index++) {
      const uint64_t token = events[index].data.u64;
      if (token == kStop) return nullptr;
      auto* data = reinterpret_cast<void*>(token);
      if (napi_call_threadsafe_function(thread->wake_, data, napi_tsfn_nonblocking) != napi_ok) return nullptr;
    }
  }
}

void EventThread::OnWake(napi_env env, napi_value /*function*/, void* self, void* token) {
  // Without an env, what was queued at the end is thrown away, and the object may be gone: rule 4.
  if (env == nullptr) return;
  Environment* environment = static_cast<EventThread*>(self)->environment_;
  if (environment == nullptr) return;
  if (Resource* resource = environment->Find(reinterpret_cast<int64_t>(token))) resource->OnReady();
}

void EventThread::OnFinalise(napi_env /*env*/, void* self, void* /*hint*/) {
  auto* events = static_cast<EventThread*>(self);
  // Another runtime may end the function without the cleanup hook; the thread must not outlive it.
  if (events->environment_ != nullptr) {
    events->environment_->events = nullptr;
    events->Join();
  }
  delete events;
}

}  // namespace ebpf
