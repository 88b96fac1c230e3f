// The reading end of perf events of type BPF_OUTPUT (kernel/events/ring_buffer.c, kernel/trace/bpf_trace.c): memory for
// each CPU, waited for together through an epoll of their own, which is what the event thread sees.
//
// A perf event says that it is readable once per wake-up (perf_poll of kernel/events/core.c forgets it when asked), and
// arming asks. So arming looks for itself whether something is there.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <memory>
#include <new>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "event_source.h"

namespace ebpf {

namespace {

// What a sample holds besides its header, the length of the data and the data: u64 time, where it was asked for.
constexpr size_t kTimeSize = sizeof(uint64_t);

// One CPU's memory.
class CpuBuffer {
 public:
  CpuBuffer(uint32_t cpu_number, int duplicate) : cpu(cpu_number), descriptor(duplicate) {}
  CpuBuffer(const CpuBuffer&) = delete;
  CpuBuffer& operator=(const CpuBuffer&) = delete;
  ~CpuBuffer() {
    if (page_ != nullptr) munmap(page_, length_);
    if (descriptor >= 0) close(descriptor);
  }

  // `newest`: mapped read-only, so the kernel never waits for a reader.
  int Map(size_t pages, bool newest);
  // Up to `limit`, a position.
  int Take(Drain* drain, size_t time_size, uint64_t limit);
  // Of memory mapped for the newest records: all that came since the last time and is there, or nothing for want of
  // room.
  int TakeNewest(Drain* drain, size_t time_size);
  uint64_t Head() const { return __atomic_load_n(&page_->data_head, __ATOMIC_ACQUIRE); }
  // What the kernel counts (PERF_FORMAT_LOST, Linux 6.0); 0 or -errno.
  int Lost(uint64_t* lost) const {
    uint64_t values[2] = {};  // of the event, and records lost
    const ssize_t length = read(descriptor, values, sizeof values);
    *lost = values[1];
    if (length < 0) return -errno;
    return length == sizeof values ? 0 : -ENOTSUP;
  }
  uint64_t PendingBytes() const { return Head() - page_->data_tail; }
  uint64_t NewestBytes() const { return std::min<uint64_t>(taken_ - Head(), data_size_); }

  const uint32_t cpu;
  const int descriptor;
  uint64_t limit = 0;  // of a round
  bool went_offline = false;

 private:
  void Copy(uint8_t* destination, uint64_t position, size_t size) const;
  void Prefetch(uint64_t position) const { __builtin_prefetch(data_ + (position & (data_size_ - 1))); }
  // Up to eight bytes at an 8-aligned position, which never wrap.
  template <typename Value>
  void Read(uint64_t position, Value* value) const {
    static_assert(sizeof(Value) <= 8);
    memcpy(value, data_ + (position & (data_size_ - 1)), sizeof *value);
  }

  perf_event_mmap_page* page_ = nullptr;
  size_t length_ = 0;
  const uint8_t* data_ = nullptr;
  size_t data_size_ = 0;  // a power of two
  uint64_t taken_ = 0;    // the head when the newest records were taken last
};

int CpuBuffer::Map(size_t pages, bool newest) {
  const auto page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  length_ = (pages + 1) * page_size;
  const int protection = newest ? PROT_READ : PROT_READ | PROT_WRITE;
  void* memory = mmap(nullptr, length_, protection, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return -errno;
  page_ = static_cast<perf_event_mmap_page*>(memory);
  data_ = static_cast<const uint8_t*>(memory) + page_size;
  data_size_ = pages * page_size;
  return 0;
}

void CpuBuffer::Copy(uint8_t* destination, uint64_t position, size_t size) const {
  const size_t start = position & (data_size_ - 1);
  const size_t first = size < data_size_ - start ? size : data_size_ - start;
  memcpy(destination, data_ + start, first);
  if (size > first) memcpy(destination + first, data_, size - first);
}

// Looks at the headers and copies records, which puts one that wraps together again.
int CpuBuffer::Take(Drain* result, size_t time_size, uint64_t limit_of_take) {
  Drain drain = *result;                   // in registers: what is written through pointers could be in memory
  const uint64_t tail = page_->data_tail;  // only this side writes it
  const uint64_t available = limit_of_take - tail;
  if (available == 0) return 0;
  if (available > data_size_) return -EIO;
  const size_t room = drain.size - drain.used;
  const size_t before_length = sizeof(perf_event_header) + time_size;
  const size_t before_payload = before_length + sizeof(uint32_t);
  const uint32_t first_record = drain.records;
  // Of the record before. What is known of it holds for one with the same header, see Ring::Take; so nothing below
  // may be computed from the header itself.
  uint64_t header = 0;
  uint32_t type = 0;
  size_t step = 0;
  size_t at = 0;
  size_t copied = 0;
  const auto copy = [&] {
    Copy(drain.bytes + drain.used + copied, tail + copied, at - copied);
    copied = at;
  };
  int error = 0;
  while (at < available) {
    if (at - copied >= kPiece) copy();
    if (available - at > kAhead) Prefetch(tail + at + kAhead);
    uint64_t next = 0;
    Read(tail + at, &next);
    if (next != header) {
      perf_event_header parts = {};
      memcpy(&parts, &next, sizeof parts);
      header = next;
      type = parts.type;
      step = parts.size;
      if (step < sizeof parts || step % 8 != 0) {
        error = -EIO;
        break;
      }
    }
    if (step > available - at) {
      error = -EIO;
      break;
    }
    if (at + step > room || drain.Full()) {
      drain.Stop(step);
      break;
    }
    if (type == PERF_RECORD_SAMPLE) {
      uint32_t length = 0;
      if (step >= before_payload) Read(tail + at + before_length, &length);
      if (step < before_payload || length > step - before_payload) {
        error = -EIO;
        break;
      }
      drain.Add(drain.used + at + before_payload, length);
    } else if (type == PERF_RECORD_LOST && step >= sizeof(perf_event_header) + 2 * sizeof(uint64_t)) {
      uint64_t lost = 0;
      Read(tail + at + sizeof(perf_event_header) + sizeof(uint64_t), &lost);
      drain.lost += lost;
    }
    at += step;
  }
  std::fill(drain.cpus + first_record, drain.cpus + drain.records, cpu);
  if (at != copied) copy();
  drain.used += at;
  __atomic_store_n(&page_->data_tail, tail + at, __ATOMIC_RELEASE);
  *result = drain;
  return error;
}

// The events have the attribute write_backward: the kernel writes towards lower positions, over what is oldest, so that
// the newest record is at the head and each is followed by the one before it. The last is what was taken before, or one
// of which a part was overwritten. Nobody writes meanwhile: lib/events/flight-recorder.ts.
int CpuBuffer::TakeNewest(Drain* drain, size_t time_size) {
  const uint64_t head = Head();
  const uint64_t written = taken_ - head;
  const uint64_t available = NewestBytes();
  if (available == 0) return 0;
  if (available > drain->size - drain->used) {
    drain->Stop(available);
    return 0;
  }
  const size_t before_length = sizeof(perf_event_header) + time_size;
  const size_t before_payload = before_length + sizeof(uint32_t);
  const uint32_t first = drain->records;
  size_t at = 0;
  while (at < available && !drain->Full()) {
    perf_event_header header = {};
    Read(head + at, &header);
    if (header.size > available - at && written > data_size_) break;
    if (header.size < sizeof header || header.size % 8 != 0 || header.size > available - at) return -EIO;
    if (header.type == PERF_RECORD_SAMPLE) {
      uint32_t length = 0;
      if (header.size >= before_payload) Read(head + at + before_length, &length);
      if (header.size < before_payload || length > header.size - before_payload) return -EIO;
      drain->Add(drain->used + at + before_payload, length);
    } else if (header.type == PERF_RECORD_LOST && header.size >= sizeof header + 2 * sizeof(uint64_t)) {
      uint64_t lost = 0;
      Read(head + at + sizeof header + sizeof(uint64_t), &lost);
      drain->lost += lost;
    }
    at += header.size;
  }
  std::reverse(drain->offsets + first, drain->offsets + drain->records);
  std::reverse(drain->lengths + first, drain->lengths + drain->records);
  std::fill(drain->cpus + first, drain->cpus + drain->records, cpu);
  Copy(drain->bytes + drain->used, head, at);
  drain->used += at;
  drain->overwritten += written - at;
  taken_ = head;
  return 0;
}

// Tells by the kernel's own messages when CPUs come and go; -errno where nobody may listen.
int ListenForCpus() {
  const int listener =
      AboveStandard(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (listener < 0) return -errno;
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // those of the kernel
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return listener;
  const int error = -errno;
  close(listener);
  return error;
}

// A look for the kernel's messages is a system call: not one for each piece of what there is.
constexpr uint32_t kDrainsPerLook = 16;

class PerfBuffer final : public EventSource {
 public:
  static constexpr SourceType kType = SourceType::kPerfBuffer;

  static int64_t Open(const Arguments& arguments);
  int64_t Add(const Arguments& arguments);
  int64_t Remove(const Arguments& arguments);
  int64_t Lost(const Arguments& arguments);
  int64_t WentOffline(const Arguments& arguments);

 private:
  PerfBuffer(const Arguments& arguments, bool times, bool newest)
      : EventSource(arguments, kType), time_size_(times ? kTimeSize : 0), newest_(newest) {}
  ~PerfBuffer() override {
    if (listener_ >= 0) close(listener_);
  }
  int Create();
  int Take(Drain* drain) override;
  uint64_t PendingBytes() override;
  int ArmAs(int64_t token) override;
  bool CpusChanged();
  void MarkOffline(int64_t cpu);

  const size_t time_size_;
  const bool newest_;  // what was not read is overwritten, and nobody is woken
  std::vector<std::unique_ptr<CpuBuffer>> cpus_;
  size_t first_ = 0;  // whose turn it is to be drained first
  int listener_ = -1;
  bool in_round_ = false;
  bool left_more_ = false;  // by the last drain
  uint32_t drains_ = 0;
  uint64_t lost_before_ = 0;  // by CPUs that are gone
};

// whether samples hold their time, whether the newest are kept, callback
int64_t PerfBuffer::Open(const Arguments& arguments) {
  napi_value on_ready = arguments.Function(2);
  if (on_ready == nullptr) return -EINVAL;
  auto* buffer = new (std::nothrow) PerfBuffer(arguments, arguments.Boolean(0), arguments.Boolean(1));
  return buffer == nullptr ? -ENOMEM : buffer->Opened(arguments, on_ready, buffer->Create());
}

int PerfBuffer::Create() {
  descriptor = AboveStandard(epoll_create1(EPOLL_CLOEXEC));
  if (descriptor < 0) return -errno;
  listener_ = ListenForCpus();
  epoll_event event = {};
  event.events = EPOLLIN;
  // Without the messages CPUs that come later stay unread; all else works.
  if (listener_ >= 0) epoll_ctl(descriptor, EPOLL_CTL_ADD, listener_, &event);
  return 0;
}

// buffer, perf event, CPU, pages
int64_t PerfBuffer::Add(const Arguments& arguments) {
  const Descriptor* event = arguments.environment.FindDescriptor(arguments.Integer(1), Kind::kPerfEvent);
  const int64_t cpu = arguments.Integer(2);
  const int64_t pages = arguments.Integer(3);
  if (event == nullptr) return -EBADF;
  if (cpu < 0 || cpu > UINT32_MAX || pages <= 0 || pages > INT32_MAX || (pages & (pages - 1)) != 0) return -EINVAL;
  const int duplicate = fcntl(event->number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (duplicate < 0) return -errno;
  std::unique_ptr<CpuBuffer> memory(new (std::nothrow) CpuBuffer(static_cast<uint32_t>(cpu), duplicate));
  if (memory == nullptr) {
    close(duplicate);
    return -ENOMEM;
  }
  if (const int error = memory->Map(static_cast<size_t>(pages), newest_)) return error;
  epoll_event wanted = {};
  wanted.events = EPOLLIN;
  if (!newest_ && epoll_ctl(descriptor, EPOLL_CTL_ADD, duplicate, &wanted) < 0) return -errno;
  cpus_.push_back(std::move(memory));
  return 0;
}

// buffer, CPU. What its memory holds is gone with it.
int64_t PerfBuffer::Remove(const Arguments& arguments) {
  const int64_t cpu = arguments.Integer(1);
  for (auto place = cpus_.begin(); place != cpus_.end(); ++place) {
    if ((*place)->cpu != cpu) continue;
    uint64_t lost = 0;
    if ((*place)->Lost(&lost) == 0) lost_before_ += lost;
    if (!newest_) epoll_ctl(descriptor, EPOLL_CTL_DEL, (*place)->descriptor, nullptr);
    cpus_.erase(place);
    return 0;
  }
  return -ENOENT;
}

// buffer. The records that the kernel lost, when the events were opened to tell.
int64_t PerfBuffer::Lost(const Arguments& /*arguments*/) {
  uint64_t sum = lost_before_;
  for (const auto& cpu : cpus_) {
    uint64_t lost = 0;
    if (const int error = cpu->Lost(&lost)) return error;
    sum += lost;
  }
  return static_cast<int64_t>(sum);
}

int PerfBuffer::ArmAs(int64_t token) {
  const int error = EventSource::ArmAs(token);
  return error == 0 && !newest_ && PendingBytes() > 0 ? 1 : error;
}

// Each CPU once, another first each time: none is kept waiting by a busy one. With times, a round of drains ends where
// each CPU's memory ended when it began: what is older than that has all been taken then.
int PerfBuffer::Take(Drain* drain) {
  if (!left_more_ || ++drains_ % kDrainsPerLook == 0) drain->cpus_changed = CpusChanged();
  left_more_ = false;
  if (newest_) {
    for (const auto& cpu : cpus_) {
      if (const int error = cpu->TakeNewest(drain, time_size_)) return error;
    }
    return 0;
  }
  const bool rounds = time_size_ > 0;
  if (rounds && !in_round_) {
    for (const auto& cpu : cpus_) cpu->limit = cpu->Head();
    in_round_ = true;
  }
  const size_t count = cpus_.size();
  if (count == 0) return 0;
  first_ = (first_ + 1) % count;
  for (size_t turn = 0; turn < count; turn++) {
    CpuBuffer& cpu = *cpus_[(first_ + turn) % count];
    if (const int error = cpu.Take(drain, time_size_, rounds ? cpu.limit : cpu.Head())) return error;
  }
  in_round_ = rounds && drain->more;
  left_more_ = drain->more;
  return 0;
}

uint64_t PerfBuffer::PendingBytes() {
  uint64_t sum = 0;
  for (const auto& cpu : cpus_) sum += newest_ ? cpu->NewestBytes() : cpu->PendingBytes();
  return sum;
}

// Reads what the kernel says meanwhile: "online@/devices/system/cpu/cpu1", then variables.
bool PerfBuffer::CpusChanged() {
  constexpr char kDevice[] = "line@/devices/system/cpu/cpu";
  bool changed = false;
  char message[4096];
  for (int most = 1000; listener_ >= 0 && most > 0; most--) {
    const ssize_t length = recv(listener_, message, sizeof message - 1, MSG_DONTWAIT);
    if (length < 0 && errno == ENOBUFS) {
      // Some were lost: any CPU may have gone and come.
      for (const auto& cpu : cpus_) cpu->went_offline = true;
      changed = true;
    }
    if (length <= 0) break;
    message[length] = '\0';
    const char* device = strstr(message, kDevice);
    if (device == nullptr) continue;
    changed = true;
    if (strncmp(message, "off", 3) == 0) MarkOffline(strtol(device + sizeof kDevice - 1, nullptr, 10));
  }
  return changed;
}

void PerfBuffer::MarkOffline(int64_t cpu) {
  for (const auto& each : cpus_) each->went_offline |= each->cpu == cpu;
}

// buffer, CPU. 1 when it did since its memory was added: its event is dead, though the CPU may be back.
int64_t PerfBuffer::WentOffline(const Arguments& arguments) {
  const int64_t cpu = arguments.Integer(1);
  for (const auto& each : cpus_) {
    if (each->cpu == cpu) return each->went_offline ? 1 : 0;
  }
  return -ENOENT;
}

}  // namespace

const Entries kPerfBufferEntries = {
    {"perfBufferOpen", Calls<PerfBuffer::Open>},
    {"perfBufferAdd", Calls<OnSource<PerfBuffer, &PerfBuffer::Add>>},
    {"perfBufferRemove", Calls<OnSource<PerfBuffer, &PerfBuffer::Remove>>},
    {"perfBufferWentOffline", Calls<OnSource<PerfBuffer, &PerfBuffer::WentOffline>>},
    {"perfBufferLost", Calls<OnSource<PerfBuffer, &PerfBuffer::Lost>>},
};

}  // namespace ebpf
