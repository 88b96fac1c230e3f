// The reading end of a BPF ring buffer (kernel/bpf/ringbuf.c).
//
// Lifetime rules:
//  1. A ring has a descriptor of its own, a duplicate of the map's: closing the map's token does not end waiting.
//  2. It is opened, drained and destroyed on the JavaScript thread; the event thread knows its token only.
//  3. Nothing but `Drain` moves the consumer position, once per call, after the last copy, with release order. A record
//     that is not finished stops it, so an unread ring stays unread and the kernel counts what does not fit.

#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#include "arguments.h"
#include "event_thread.h"

namespace ebpf {

namespace {

// A record's header: its length with two bits, and the page offset that the kernel needs.
constexpr uint64_t kHeaderSize = 8;
constexpr uint32_t kBusy = 1U << 31;
constexpr uint32_t kDiscarded = 1U << 30;

// A frame's header: u32 length, u16 source, u16 flags.
constexpr uint64_t kFrameHeaderSize = 8;

constexpr uint64_t Aligned(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

class Ring final : public Resource {
 public:
  static constexpr Kind kKind = Kind::kRing;

  static int64_t Open(const Arguments& arguments);
  int64_t Drain(const Arguments& arguments);
  int64_t Arm(const Arguments& arguments);
  int64_t Pending(const Arguments& arguments);
  int64_t Reference(const Arguments& arguments);
  void OnReady() override;

 private:
  Ring(const Arguments& arguments, uint32_t data_size)
      : Resource(kKind), env_(arguments.env), environment_(arguments.environment), data_size_(data_size) {}
  ~Ring() override;
  int Map(const Descriptor& map);
  int64_t CopyRecords(uint8_t* destination, size_t size, uint32_t* report);
  void SetReferenced(bool referenced);

  const napi_env env_;
  Environment& environment_;
  const size_t page_size_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uint64_t data_size_;  // a power of two
  int descriptor_ = -1;
  uint64_t* consumer_ = nullptr;        // a page of its own, the only one mapped writable
  const uint64_t* producer_ = nullptr;  // a page, followed by the data twice over, so that no record wraps
  const uint8_t* data_ = nullptr;
  napi_ref on_ready_ = nullptr;
  bool referenced_ = false;
};

Ring::~Ring() {
  SetReferenced(false);
  if (environment_.events != nullptr) environment_.events->Forget(descriptor_);
  if (on_ready_ != nullptr) napi_delete_reference(env_, on_ready_);
  if (consumer_ != nullptr) munmap(consumer_, page_size_);
  if (producer_ != nullptr) munmap(const_cast<uint64_t*>(producer_), page_size_ + 2 * data_size_);
  if (descriptor_ >= 0) close(descriptor_);
}

// map, callback
int64_t Ring::Open(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  napi_value on_ready = arguments.Function(1);
  if (map == nullptr) return -EBADF;
  if (on_ready == nullptr || map->shape.type != kRingBuffer) return -EINVAL;
  auto* ring = new (std::nothrow) Ring(arguments, map->shape.max_entries);
  if (ring == nullptr) return -ENOMEM;
  int error = ring->Map(*map);
  if (error == 0 && napi_create_reference(arguments.env, on_ready, 1, &ring->on_ready_) != napi_ok) error = -ENOMEM;
  if (error == 0 && arguments.environment.Events(&error) != nullptr) return arguments.environment.Insert(ring);
  ring->Close();
  return error;
}

int Ring::Map(const Descriptor& map) {
  descriptor_ = fcntl(map.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (descriptor_ < 0) return -errno;
  void* consumer = mmap(nullptr, page_size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (consumer == MAP_FAILED) return -errno;
  consumer_ = static_cast<uint64_t*>(consumer);
  void* producer =
      mmap(nullptr, page_size_ + 2 * data_size_, PROT_READ, MAP_SHARED, descriptor_, static_cast<off_t>(page_size_));
  if (producer == MAP_FAILED) return -errno;
  producer_ = static_cast<const uint64_t*>(producer);
  data_ = static_cast<const uint8_t*>(producer) + page_size_;
  return 0;
}

// ring, destination, Uint32Array of three, that gets the records, 1 when finished ones were left, and the bytes that
// the first of those takes when none fit. The bytes written, or -EIO when the ring's contents make no sense.
int64_t Ring::Drain(const Arguments& arguments) {
  Bytes destination;
  uint32_t* report = nullptr;
  if (!arguments.GetBytes(1, &destination) || destination.absent ||
      !arguments.GetArray(2, napi_uint32_array, 3, &report)) {
    return -EINVAL;
  }
  return CopyRecords(destination.data, destination.size, report);
}

int64_t Ring::CopyRecords(uint8_t* destination, size_t size, uint32_t* report) {
  report[0] = report[1] = report[2] = 0;
  uint64_t position = __atomic_load_n(consumer_, __ATOMIC_RELAXED);
  const uint64_t start = position;
  uint64_t end = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
  uint64_t used = 0;
  int64_t error = 0;
  for (;;) {
    if (position == end) {
      // Also what arrived since: otherwise `more` would be out of date as often as not.
      end = __atomic_load_n(producer_, __ATOMIC_ACQUIRE);
      if (position == end) break;
    }
    const uint8_t* header = data_ + (position & (data_size_ - 1));
    const uint32_t word = __atomic_load_n(reinterpret_cast<const uint32_t*>(header), __ATOMIC_ACQUIRE);
    if ((word & kBusy) != 0) break;
    const uint64_t length = word & ~(kBusy | kDiscarded);
    const uint64_t step = Aligned(kHeaderSize + length);
    if (step > end - position || step > data_size_) {
      error = -EIO;
      break;
    }
    if ((word & kDiscarded) == 0) {
      const uint64_t frame = kFrameHeaderSize + Aligned(length);
      if (frame > size - used) {
        report[1] = 1;
        if (report[0] == 0) report[2] = static_cast<uint32_t>(frame);
        break;
      }
      uint8_t* place = destination + used;
      const uint32_t frame_header[2] = {static_cast<uint32_t>(length), 0};  // source 0, no flags
      memcpy(place, frame_header, sizeof frame_header);
      memcpy(place + kFrameHeaderSize, header + kHeaderSize, length);
      memset(place + kFrameHeaderSize + length, 0, Aligned(length) - length);
      used += frame;
      report[0]++;
    }
    position += step;
  }
  if (position != start) __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
  return error < 0 && used == 0 ? error : static_cast<int64_t>(used);
}

// ring
int64_t Ring::Arm(const Arguments& arguments) {
  // Without a thread the environment is ending.
  return environment_.events == nullptr ? -ECANCELED : environment_.events->Arm(descriptor_, arguments.Integer(0));
}

// ring
int64_t Ring::Pending(const Arguments& /*arguments*/) {
  return static_cast<int64_t>(__atomic_load_n(producer_, __ATOMIC_ACQUIRE) -
                              __atomic_load_n(consumer_, __ATOMIC_RELAXED));
}

// ring, whether it keeps the event loop alive
int64_t Ring::Reference(const Arguments& arguments) {
  SetReferenced(arguments.Boolean(1));
  return 0;
}

void Ring::SetReferenced(bool referenced) {
  if (referenced == referenced_ || environment_.events == nullptr) return;
  referenced_ = referenced;
  environment_.events->Reference(referenced ? 1 : -1);
}

void Ring::OnReady() {
  napi_env env = env_;  // the callback may close this ring
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  if (napi_get_reference_value(env, on_ready_, &function) != napi_ok || function == nullptr ||
      napi_get_undefined(env, &receiver) != napi_ok ||
      napi_call_function(env, receiver, function, 0, nullptr, nullptr) != napi_pending_exception) {
    return;
  }
  // Node would drop an exception here with a deprecation warning; it belongs in 'uncaughtException'.
  napi_value exception = nullptr;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

}  // namespace

const Entries kRingEntries = {
    {"ringOpen", Calls<Ring::Open>},
    {"ringDrain", Calls<On<Ring, &Ring::Drain>>},
    {"ringArm", Calls<On<Ring, &Ring::Arm>>},
    {"ringPending", Calls<On<Ring, &Ring::Pending>>},
    {"ringReference", Calls<On<Ring, &Ring::Reference>>},
};

}  // namespace ebpf
