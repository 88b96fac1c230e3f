#include "event_thread.h"

#include <cerrno>
#include <csignal>
#include <new>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "environment.h"
#include "old_symbols.h"

namespace ebpf {

namespace {

constexpr uint64_t kStop = UINT64_MAX;  // no token
constexpr size_t kStackSize = 256 * 1024;
constexpr int kEventsAtOnce = 64;

}  // namespace

int EventThread::Start(napi_env env, Environment* environment, EventThread** thread) {
  auto* events = new (std::nothrow) EventThread(env, environment);
  if (events == nullptr) return -ENOMEM;
  if (const int error = events->Open()) {
    delete events;
    return error;
  }
  napi_value name = nullptr;
  if (napi_create_string_latin1(env, "node-ebpf events", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, events, OnFinalise, events, OnWake,
                                      &events->wake_) != napi_ok) {
    delete events;
    return -ENOMEM;
  }
  napi_unref_threadsafe_function(env, events->wake_);

  // Signals belong to the threads that Node started; this one blocks all of them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  constexpr size_t kKernelSetSize = 8;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, kKernelSetSize);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  const int error = pthread_create(&events->thread_, &attributes, Run, events);
  pthread_attr_destroy(&attributes);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, kKernelSetSize);
  if (error != 0) {
    events->environment_ = nullptr;
    napi_release_threadsafe_function(events->wake_, napi_tsfn_abort);
    return -error;
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
  pthread_mutex_destroy(&mutex_);
}

int EventThread::Add(int descriptor) {
  epoll_event event = {};
  event.events = EPOLLONESHOT;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

int EventThread::Arm(int descriptor, int64_t token) {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = static_cast<uint64_t>(token);
  return epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) < 0 ? -errno : 0;
}

void EventThread::Remove(int descriptor) { epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr); }

void EventThread::Reference() {
  if (references_++ == 0) napi_ref_threadsafe_function(env_, wake_);
}

void EventThread::Unreference() {
  if (--references_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

void EventThread::Stop() {
  environment_ = nullptr;
  const uint64_t one = 1;
  while (write(stop_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  pthread_join(thread_, nullptr);
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

void* EventThread::Run(void* self) {
  static_cast<EventThread*>(self)->Wait();
  return nullptr;
}

void EventThread::Wait() {
  epoll_event events[kEventsAtOnce];
  for (;;) {
    const int count = epoll_wait(epoll_, events, kEventsAtOnce, -1);
    if (count < 0 && errno != EINTR) return;
    bool stopped = false;
    pthread_mutex_lock(&mutex_);
    for (int index = 0; index < count; index++) {
      if (events[index].data.u64 == kStop) {
        stopped = true;
      } else {
        ready_.push_back(static_cast<int64_t>(events[index].data.u64));
      }
    }
    pthread_mutex_unlock(&mutex_);
    if (stopped) return;
    // One wake-up is enough for all that became ready before JavaScript looks.
    if (count <= 0 || woken_.exchange(true)) continue;
    if (napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking) != napi_ok) return;
  }
}

void EventThread::OnWake(napi_env env, napi_value /*function*/, void* self, void* /*data*/) {
  if (env != nullptr) static_cast<EventThread*>(self)->Dispatch();
}

void EventThread::Dispatch() {
  woken_.store(false);
  std::vector<int64_t> ready;
  pthread_mutex_lock(&mutex_);
  ready.swap(ready_);
  pthread_mutex_unlock(&mutex_);
  for (const int64_t token : ready) {
    if (environment_ == nullptr) return;
    if (Resource* resource = environment_->table.Find(token)) resource->OnReady();
  }
}

void EventThread::OnFinalise(napi_env /*env*/, void* self, void* /*hint*/) {
  auto* events = static_cast<EventThread*>(self);
  // Another runtime may end the function without the cleanup hook; the thread must not outlive it.
  if (events->environment_ != nullptr) {
    events->environment_->events = nullptr;
    const uint64_t one = 1;
    if (write(events->stop_, &one, sizeof one) == sizeof one) pthread_join(events->thread_, nullptr);
  }
  delete events;
}

}  // namespace ebpf
