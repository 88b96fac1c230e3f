// The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c).

#include <algorithm>
#include <cstring>
#include <ctime>
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

// BPF_F_RB_OVERWRITE (Linux 6.19): a flag of rings whose program writes over what was not read.
constexpr uint32_t kOverwrites = 1U << 19;
// Where the kernel says how far: 64-bit words behind the producer's position, with what is not finished between (struct
// bpf_ringbuf of kernel/bpf/ringbuf.c, commit feeaf1346f80).
constexpr size_t kOverwritePosition = 2;
// How often such a ring is read anew when the program was faster; then the reader is told that there is nothing.
constexpr int kMostAttempts = 16;

constexpr uint64_t StepOf(uint32_t header) { return Aligned(kHeaderSize + (header & ~(kBusy | kDiscarded))); }

// The later of two positions.
constexpr uint64_t Later(uint64_t one, uint64_t other) { return static_cast<int64_t>(other - one) > 0 ? other : one; }

// Until what was read before is older than what is read afterwards. A processor that shows stores out of order may show
// what overwrites a record before the position that tells of it, while that waits to be written: far less than this.
void AwaitStores() {
  __sync_synchronize();
#ifdef __aarch64__
  constexpr int64_t kNanoseconds = 5000;
  timespec begin = {};
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begin.tv_sec) * 1'000'000'000 + now.tv_nsec - begin.tv_nsec < kNanoseconds);
#endif
}

class Ring final : public EventSource {
 public:
  static int64_t Open(const Arguments& arguments);

 private:
  Ring(const Arguments& arguments, const MapShape& shape)
      : EventSource(arguments, SourceType::kRing),
        data_size_(shape.max_entries),
        overwrites_((shape.flags & kOverwrites) != 0) {}
  ~Ring() override;
  int Map(const Descriptor& map);
  int Take(Drain* drain) override;
  int TakeFrom(Drain* result, uint64_t* first, uint64_t* next);
  int TakeWhole(Drain* result);
  bool KeepWhole(Drain* drain, uint64_t start, uint64_t end, uint64_t first) const;
  uint64_t PendingBytes() override;
  uint64_t Overwritten() const { return __atomic_load_n(producer_ + kOverwritePosition, __ATOMIC_ACQUIRE); }

  const size_t page_size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint64_t data_size_;  // a power of two
  const bool overwrites_;
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
  auto* ring = new (std::nothrow) Ring(arguments, map->shape);
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

int Ring::Take(Drain* drain) {
  if (overwrites_) return TakeWhole(drain);
  const uint64_t before = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
  uint64_t start = before;
  uint64_t position = before;
  const int error = TakeFrom(drain, &start, &position);
  if (position != before) __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
  return error;
}

// Looks at the headers, and copies records with them, since these are as long as any framing of ours would be. `*first`
// becomes the position of what is copied, `*next` of what follows it.
int Ring::TakeFrom(Drain* result, uint64_t* first, uint64_t* next) {
  Drain drain = *result;  // in registers: what is written through pointers could be in memory
  const uint64_t mask = data_size_ - 1;
  uint64_t start = *first;
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
    const uint32_t found = __atomic_load_n(reinterpret_cast<const uint32_t*>(record), __ATOMIC_ACQUIRE);
    if (found != word) {
      if ((found & kBusy) != 0) break;
      word = found;
      length = word & ~kDiscarded;
      step = Aligned(kHeaderSize + length);
    }
    // The kernel's memory is mapped twice, so a copy of up to its size is in one piece.
    if (step > end - position || position + step - start > data_size_) {
      error = -EIO;
      break;
    }
    if ((word & kDiscarded) != 0 && drain.records == 0 && !overwrites_) {
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
  *first = start;
  *next = position;
  *result = drain;
  return error;
}

// Of a ring that overwrites: the program may write over the oldest records at any time, and before that the kernel
// moves `overwrite_pos` past them. So what begins there or later once all has been copied is whole.
int Ring::TakeWhole(Drain* result) {
  const uint64_t before = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
  for (int attempt = 0; attempt < kMostAttempts; attempt++) {
    const uint64_t first = Later(before, Overwritten());
    Drain drain = *result;
    uint64_t start = first;
    uint64_t position = first;
    const int error = TakeFrom(&drain, &start, &position);
    AwaitStores();
    const uint64_t whole = Later(first, Overwritten());
    if (whole != first && !KeepWhole(&drain, start, position, whole)) continue;
    drain.overwritten = whole - before;
    if (position != before) __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
    *result = drain;
    // What looked like nonsense may have been overwritten meanwhile.
    return whole == first ? error : 0;
  }
  return 0;
}

// Drops the records before `first`. False when the way to those after it led over headers that were no longer such.
bool Ring::KeepWhole(Drain* drain, uint64_t start, uint64_t end, uint64_t first) const {
  if (first >= end) return false;
  uint32_t dropped = 0;
  while (dropped < drain->records && start + drain->offsets[dropped] - kHeaderSize < first) {
    drain->payload -= drain->lengths[dropped++];
  }
  // Between them are only records that were discarded.
  const uint64_t kept = dropped < drain->records ? start + drain->offsets[dropped] - kHeaderSize : end;
  while (first < kept) {
    uint32_t header = 0;
    memcpy(&header, drain->bytes + (first - start), sizeof header);
    first += StepOf(header);
  }
  if (first != kept) return false;
  std::copy(drain->offsets + dropped, drain->offsets + drain->records, drain->offsets);
  std::copy(drain->lengths + dropped, drain->lengths + drain->records, drain->lengths);
  drain->records -= dropped;
  return true;
}

uint64_t Ring::PendingBytes() {
  const uint64_t consumer = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
  const uint64_t first = overwrites_ ? Later(consumer, Overwritten()) : consumer;
  return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - first;
}

}  // namespace

const Entries kRingEntries = {{"ringOpen", Calls<Ring::Open>}};

}  // namespace ebpf
