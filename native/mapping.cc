// Memory shared with the kernel, copied in and out. JavaScript gets no view of it: Electron forbids external buffers,
// and plain access from JavaScript has no memory order.

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

#include "arguments.h"

namespace ebpf {

namespace {

// A variable is copied by one load and one store of its size, so that it is never seen half written.
template <typename Word, bool reading>
bool CopyWord(uint8_t* destination, const uint8_t* source, size_t size) {
  if (size != sizeof(Word) || Address(reading ? source : destination) % sizeof(Word) != 0) return false;
  Word word;
  if (reading) {
    word = __atomic_load_n(reinterpret_cast<const Word*>(source), __ATOMIC_RELAXED);
    memcpy(destination, &word, sizeof word);
  } else {
    memcpy(&word, source, sizeof word);
    __atomic_store_n(reinterpret_cast<Word*>(destination), word, __ATOMIC_RELAXED);
  }
  return true;
}

class Mapping final : public Resource {
 public:
  static constexpr Kind kKind = Kind::kMapping;

  // Takes over the memory.
  Mapping(uint8_t* memory, size_t length, bool writable)
      : Resource(kKind), memory_(memory), length_(length), writable_(writable) {}
  ~Mapping() override { munmap(memory_, length_); }

  // mapping, offset, destination or source
  template <bool reading>
  int64_t Copy(const Arguments& arguments) {
    const int64_t offset = arguments.Integer(1);
    Bytes bytes;
    if (!arguments.GetBytes(2, &bytes) || bytes.absent) return -EINVAL;
    if (offset < 0 || bytes.size > length_ || static_cast<uint64_t>(offset) > length_ - bytes.size) return -ERANGE;
    if (!reading && !writable_) return -EROFS;
    uint8_t* destination = reading ? bytes.data : memory_ + offset;
    const uint8_t* source = reading ? memory_ + offset : bytes.data;
    const bool copied = CopyWord<uint64_t, reading>(destination, source, bytes.size) ||
                        CopyWord<uint32_t, reading>(destination, source, bytes.size) ||
                        CopyWord<uint16_t, reading>(destination, source, bytes.size);
    if (!copied && bytes.size > 0) memcpy(destination, source, bytes.size);
    return 0;
  }

 private:
  uint8_t* const memory_;
  const size_t length_;
  const bool writable_;
};

// token, offset, length, writable, address or 0
int64_t Open(const Arguments& arguments) {
  const Descriptor* descriptor = arguments.environment.FindDescriptor(arguments.Integer(0));
  const int64_t offset = arguments.Integer(1);
  const auto length = static_cast<size_t>(std::max<int64_t>(arguments.Integer(2), 0));
  const bool writable = arguments.Boolean(3);
  const int64_t address = arguments.Integer(4);
  if (descriptor == nullptr) return -EBADF;
  if (offset < 0 || length == 0 || address < 0) return -EINVAL;
  const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  // At an address that is asked for, or not at all: what is there already stays.
  const int flags = address == 0 ? MAP_SHARED : MAP_SHARED | MAP_FIXED_NOREPLACE;
  auto* wanted = reinterpret_cast<void*>(static_cast<uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
  void* memory = mmap(wanted, length, access, flags, descriptor->number(), offset);
  if (memory == MAP_FAILED) return -errno;
  auto* mapping = new (std::nothrow) Mapping(static_cast<uint8_t*>(memory), length, writable);
  if (mapping != nullptr) return arguments.environment.Insert(mapping);
  munmap(memory, length);
  return -ENOMEM;
}

}  // namespace

const Entries kMappingEntries = {
    {"mappingOpen", Calls<Open>},
    {"mappingRead", Calls<On<Mapping, &Mapping::Copy<true>>>},
    {"mappingWrite", Calls<On<Mapping, &Mapping::Copy<false>>>},
};

}  // namespace ebpf
