// Maps on their way from one JavaScript environment to another: state that environments have in common, as the places
// of arenas are (mapping.cc).
//
// Lifetime rules:
//  1. A share has a descriptor of its own, and ends when it is taken, when the map it was made from is closed, or with
//     the environment of that map. Nobody needs to remember a share for it to end.
//  2. Whoever removes a share from the table owns its descriptor from then on: it is taken once at most.
//  3. Under the lock there are no system calls and no Node-API.

#include <fcntl.h>
#include <new>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>
#include <vector>

#include "arguments.h"
#include "lock.h"

namespace ebpf {

namespace {

struct Share {
  int64_t id;
  int descriptor;
  MapShape shape;
  const Descriptor* owner;
};

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Never destroyed: a Worker may still run while the process exits.
std::vector<Share>& shares = *new std::vector<Share>();

// Removes the first share that `matches`; the descriptor is the caller's.
template <typename Matches>
bool Remove(Matches matches, Share* removed) {
  const Locked locked(&lock);
  for (size_t index = 0; index < shares.size(); index++) {
    if (!matches(shares[index])) continue;
    *removed = shares[index];
    shares[index] = shares.back();
    shares.pop_back();
    return true;
  }
  return false;
}

// map: the id of a new share. Ids are random, so that one of another process means nothing here.
int64_t MapShare(const Arguments& arguments) {
  Descriptor* map = arguments.environment.FindDescriptor(arguments.Integer(0), Kind::kMap);
  if (map == nullptr) return -EBADF;
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return -errno;
  const auto id = static_cast<int64_t>(random >> 11 | 1);
  const int copy = fcntl(map->number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return -errno;
  map->shared = true;
  const Locked locked(&lock);
  shares.push_back({id, copy, map->shape, map});
  return id;
}

// id: the token of the map, which is this environment's now.
int64_t MapTake(const Arguments& arguments) {
  const int64_t id = arguments.Integer(0);
  Share share = {};
  if (!Remove([id](const Share& each) { return each.id == id; }, &share)) return -ENOENT;
  return arguments.environment.Adopt(Kind::kMap, share.descriptor, share.shape);
}

}  // namespace

void EndShares(const Descriptor* owner) {
  Share share = {};
  while (Remove([owner](const Share& each) { return each.owner == owner; }, &share)) close(share.descriptor);
}

const Entries kShareEntries = {{"mapShare", Calls<MapShare>}, {"mapTake", Calls<MapTake>}};

}  // namespace ebpf
