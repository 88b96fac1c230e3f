// The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c).

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#include "event_source.h"

namespace ebpf {

namespace {

// A record's header: its length with two bits, and the page offset that the kernel needs.
constexpr uint64_t kHeaderSize = 8;
constexpr uint32_t kBusy = 1U << 31;
constexpr uint32_t kDiscarded = 1U << 30;

class Ring final : public EventSource {
 public:
  static int64_t Open(const Arguments& arguments);

 private:
  Ring(const Arguments& arguments, uint32_t data_size)
      : EventSource(arguments, SourceType::kRing), data_size_(data_size) {}
  ~Ring() override;
  int Map(const Descriptor& map);
  int Take(Drain* drain) override;
  uint64_t PendingBytes() override;

  const size_t page_size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint64_t data_size_;            // a power of two
  uint64_t* consumer_ = nullptr;        // a page of its own, the only one mapped writable
  const uint64_t* producer_ = nullptr;  // a page, followed by the data twice over, so that no record wraps
  const uint8_t* data_ = nullptr;
};

Ring::~Ring() {
  if (consumer_ != nullptr) munmap(consumer_, page_size_);
  if (producer_ != nullptr) munmap(const_cast<uint64_t*>(producer_), page_size_ + 2 * data_size_);
}

// map, callback
int64_t Ring::Open(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  napi_value on_ready = arguments.Function(1);
  if (map == nullptr) return -EBADF;
  if (on_ready == nullptr || map->shape.type != kRingBuffer) return -EINVAL;
  auto* ring = new (std::nothrow) Ring(arguments, map->shape.max_entries);
  return ring == nullptr ? -ENOMEM : ring->Opened(arguments, on_ready, ring->Map(*map));
}

int Ring::Map(const Descriptor& map) {
  descriptor = fcntl(map.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (descriptor < 0) return -errno;
  void* consumer = mmap(nullptr, page_size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (consumer == MAP_FAILED) return -errno;
  consumer_ = static_cast<uint64_t*>(consumer);
  void* producer =
      mmap(nullptr, page_size_ + 2 * data_size_, PROT_READ, MAP_SHARED, descriptor, static_cast<off_t>(page_size_));
  if (producer == MAP_FAILED) return -errno;
  producer_ = static_cast<const uint64_t*>(producer);
  data_ = static_cast<const uint8_t*>(producer) + page_size_;
  return 0;
}

// Looks at the headers, and copies records with them, since these are as long as any framing of ours would be.
int Ring::Take(Drain* result) {
  Drain drain = *result;  // in registers: what is written through pointers could be in memory
  const uint64_t mask = data_size_ - 1;
  const uint64_t before = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
  uint64_t start = before;  // of what is copied
  uint64_t copied = start;  // up to where it has been
  uint64_t position = start;
  const auto copy = [&] {
    memcpy(drain.bytes + (copied - start), data_ + (copied & mask), position - copied);
    copied = position;
  };
  uint64_t end = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
  // Of the record before. Where the next header is the same, what follows from it is known already, and the processor
  // goes on to the one after it before it has read this one.
  uint32_t word = kBusy;
  uint32_t length = 0;
  uint64_t step = 0;
  int error = 0;
  for (;;) {
    if (position - copied >= kPiece) copy();
    if (position == end) {
      // Also what arrived since: otherwise `more` would be out of date as often as not.
      end = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
      if (position == end) break;
    }
    const uint8_t* record = data_ + (position & mask);
    if (end - position > kAhead) __builtin_prefetch(record + kAhead);
    const uint32_t next = __atomic_load_n(reinterpret_cast<const uint32_t*>(record), __ATOMIC_ACQUIRE);
    if (next != word) {
      if ((next & kBusy) != 0) break;
      word = next;
      length = word & ~kDiscarded;
      step = Aligned(kHeaderSize + length);
    }
    // The kernel's memory is mapped twice, so a copy of up to its size is in one piece.
    if (step > end - position || position + step - start > data_size_) {
      error = -EIO;
      break;
    }
    if ((word & kDiscarded) != 0 && drain.records == 0) {
      start = copied = position = position + step;
      continue;
    }
    if (position + step - start > drain.size || drain.Full()) {
      drain.Stop(step);
      break;
    }
    if ((word & kDiscarded) == 0) drain.Add(position - start + kHeaderSize, length);
    position += step;
  }
  if (position != copied) copy();
  drain.used = position - start;
  if (position != before) __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
  *result = drain;
  return error;
}

uint64_t Ring::PendingBytes() {
  return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - __atomic_load_n(consumer_, __ATOMIC_RELAXED);
}

}  // namespace

const Entries kRingEntries = {{"ringOpen", Calls<Ring::Open>}};

}  // namespace ebpf
