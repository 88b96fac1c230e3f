// The writing end of a user ring buffer (kernel/bpf/ringbuf.c, __bpf_user_ringbuf_peek), which programs drain.
//
// Lifetime rules, with those of event_source.h:
//  1. Records lie in the order of their reservations; the kernel stops at the first that is neither submitted nor
//     discarded.
//  2. A place is written by `Commit` alone, which knows what is reserved: JavaScript names it by its position.

#include <cstring>
#include <fcntl.h>
#include <map>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#include "event_source.h"
#include "event_thread.h"

namespace ebpf {

namespace {

constexpr uint64_t kHeaderSize = 8;
constexpr uint32_t kBusy = 1U << 31;
constexpr uint32_t kDiscarded = 1U << 30;

constexpr Bytes kAbsent = {nullptr, 0, true};

class UserRing final : public EventSource {
 public:
  static constexpr SourceType kType = SourceType::kUserRing;

  static int64_t Open(const Arguments& arguments);
  int64_t Reserve(const Arguments& arguments);
  int64_t Commit(const Arguments& arguments);
  int64_t Send(const Arguments& arguments);
  int64_t Relax(const Arguments& arguments);

 private:
  UserRing(const Arguments& arguments, uint32_t data_size) : EventSource(arguments, kType), data_size_(data_size) {}
  ~UserRing() override;
  int Map(const Descriptor& map);
  uint64_t PendingBytes() override;
  int ArmAs(int64_t token) override { return environment.events->WatchWritable(descriptor, token); }
  int64_t ReserveBytes(uint64_t size);
  void CommitAt(uint64_t position, uint32_t length, const Bytes& payload);

  const size_t page_size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint64_t data_size_;            // a power of two
  const uint64_t* consumer_ = nullptr;  // a page of its own that may not be written
  uint64_t* producer_ = nullptr;        // a page, followed by the data twice over, so that no record wraps
  uint8_t* data_ = nullptr;
  std::map<uint64_t, uint32_t> reserved_;  // position → length
};

UserRing::~UserRing() {
  // The kernel stops at a record that is reserved: it must not wait for ever.
  for (const auto& [position, length] : reserved_) CommitAt(position, length, kAbsent);
  if (consumer_ != nullptr) munmap(const_cast<uint64_t*>(consumer_), page_size_);
  if (producer_ != nullptr) munmap(producer_, page_size_ + 2 * data_size_);
}

// map, callback
int64_t UserRing::Open(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  napi_value on_ready = arguments.Function(1);
  if (map == nullptr) return -EBADF;
  if (on_ready == nullptr || map->shape.type != kUserRingBuffer) return -EINVAL;
  auto* ring = new (std::nothrow) UserRing(arguments, map->shape.max_entries);
  return ring == nullptr ? -ENOMEM : ring->Opened(arguments, on_ready, ring->Map(*map));
}

int UserRing::Map(const Descriptor& map) {
  descriptor = fcntl(map.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (descriptor < 0) return -errno;
  void* consumer = mmap(nullptr, page_size_, PROT_READ, MAP_SHARED, descriptor, 0);
  if (consumer == MAP_FAILED) return -errno;
  consumer_ = static_cast<const uint64_t*>(consumer);
  void* producer = mmap(nullptr, page_size_ + 2 * data_size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor,
                        static_cast<off_t>(page_size_));
  if (producer == MAP_FAILED) return -errno;
  producer_ = static_cast<uint64_t*>(producer);
  data_ = static_cast<uint8_t*>(producer) + page_size_;
  return 0;
}

// The position of the place, -ENOSPC while there is none, -E2BIG when there never will be.
int64_t UserRing::ReserveBytes(uint64_t size) {
  if (size >= kDiscarded || Aligned(kHeaderSize + size) > data_size_) return -E2BIG;
  const uint64_t step = Aligned(kHeaderSize + size);
  const uint64_t position = __atomic_load_n(producer_, __ATOMIC_RELAXED);  // only this side writes it
  const uint64_t used = position - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
  if (used > data_size_ || data_size_ - used < step) return -ENOSPC;
  const uint32_t header[2] = {static_cast<uint32_t>(size) | kBusy, 0};
  memcpy(data_ + (position & (data_size_ - 1)), header, sizeof header);
  __atomic_store_n(producer_, position + step, __ATOMIC_RELEASE);
  return static_cast<int64_t>(position);
}

// A payload that is absent discards the record.
void UserRing::CommitAt(uint64_t position, uint32_t length, const Bytes& payload) {
  uint8_t* header = data_ + (position & (data_size_ - 1));
  if (!payload.absent && length > 0) memcpy(header + kHeaderSize, payload.data, length);
  // An exchange as the kernel's own producers make: it is ordered with the wake-up of whoever drains.
  __atomic_exchange_n(reinterpret_cast<uint32_t*>(header), payload.absent ? length | kDiscarded : length,
                      __ATOMIC_ACQ_REL);
}

// ring, size
int64_t UserRing::Reserve(const Arguments& arguments) {
  const int64_t size = arguments.Integer(1);
  if (size < 0) return -EINVAL;
  const int64_t position = ReserveBytes(static_cast<uint64_t>(size));
  if (position >= 0) reserved_[static_cast<uint64_t>(position)] = static_cast<uint32_t>(size);
  return position;
}

// ring, position, payload or null
int64_t UserRing::Commit(const Arguments& arguments) {
  const auto found = reserved_.find(static_cast<uint64_t>(arguments.Integer(1)));
  Bytes payload;
  if (found == reserved_.end()) return -ENOENT;
  if (!arguments.GetBytes(2, &payload) || (!payload.absent && payload.size != found->second)) return -EINVAL;
  CommitAt(found->first, found->second, payload);
  reserved_.erase(found);
  return 0;
}

// ring, payload
int64_t UserRing::Send(const Arguments& arguments) {
  Bytes payload;
  if (!arguments.GetBytes(1, &payload) || payload.absent) return -EINVAL;
  const int64_t position = ReserveBytes(payload.size);
  if (position < 0) return position;
  CommitAt(static_cast<uint64_t>(position), static_cast<uint32_t>(payload.size), payload);
  return 0;
}

// ring. Ends what `Arm` began.
int64_t UserRing::Relax(const Arguments& /*arguments*/) {
  if (environment.events != nullptr) environment.events->Forget(descriptor);
  return 0;
}

uint64_t UserRing::PendingBytes() {
  return __atomic_load_n(producer_, __ATOMIC_RELAXED) - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE);
}

}  // namespace

const Entries kUserRingEntries = {
    {"userRingOpen", Calls<UserRing::Open>},
    {"userRingReserve", Calls<OnSource<UserRing, &UserRing::Reserve>>},
    {"userRingCommit", Calls<OnSource<UserRing, &UserRing::Commit>>},
    {"userRingSend", Calls<OnSource<UserRing, &UserRing::Send>>},
    {"userRingRelax", Calls<OnSource<UserRing, &UserRing::Relax>>},
};

}  // namespace ebpf
