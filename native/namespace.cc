#include "namespace.h"

#include <cerrno>
#include <sched.h>

#include "thread.h"

namespace ebpf {

namespace {

struct Visit {
  int descriptor;
  void (*run)(void*);
  void* data;
  int error;
};

void* Enter(void* data) {
  auto* visit = static_cast<Visit*>(data);
  // Of this thread alone (setns(2)); it ends with the visit.
  if (setns(visit->descriptor, CLONE_NEWNET) < 0) {
    visit->error = -errno;
  } else {
    visit->run(visit->data);
  }
  return nullptr;
}

}  // namespace

int InNetworkNamespace(int descriptor, void (*run)(void*), void* data) {
  Visit visit = {descriptor, run, data, 0};
  pthread_t thread;
  if (const int error = StartThread(&thread, Enter, &visit)) return error;
  JoinThread(thread);
  return visit.error;
}

}  // namespace ebpf
