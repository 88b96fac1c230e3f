// Memory shared with the kernel, copied in and out. JavaScript gets no view of it: Electron forbids external buffers,
// and plain access from JavaScript has no memory order.

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arguments.h"

namespace ebpf {

namespace {

// What is copied out is ordered before later accesses, and what was done earlier before what is copied in: who finds a
// flag set finds what was written before it, as far as programs keep that order too.
//
// `shared` is memory that programs use meanwhile, `own` is JavaScript's, which may lie anywhere.
template <typename Word, bool reading>
void CopyWord(uint8_t* shared, uint8_t* own) {
  Word word;
  if (reading) {
    word = __atomic_load_n(reinterpret_cast<const Word*>(shared), __ATOMIC_RELAXED);
    memcpy(own, &word, sizeof word);
  } else {
    memcpy(&word, own, sizeof word);
    __atomic_store_n(reinterpret_cast<Word*>(shared), word, __ATOMIC_RELAXED);
  }
}

// Copies in aligned words as large as they can be, each by one load or store: no aligned value of 1, 2, 4 or 8 bytes is
// ever seen half written, alone or within a struct.
template <bool reading>
void CopyWords(uint8_t* shared, uint8_t* own, size_t size) {
  while (size > 0) {
    const size_t alignment = Address(shared) % sizeof(uint64_t) | sizeof(uint64_t);
    const size_t aligned = alignment & -alignment;
    size_t step = 1;
    if (aligned == 8 && size >= 8) {
      for (; size >= 8; shared += 8, own += 8, size -= 8) CopyWord<uint64_t, reading>(shared, own);
      continue;
    }
    if (aligned >= 4 && size >= 4) {
      CopyWord<uint32_t, reading>(shared, own);
      step = 4;
    } else if (aligned >= 2 && size >= 2) {
      CopyWord<uint16_t, reading>(shared, own);
      step = 2;
    } else {
      CopyWord<uint8_t, reading>(shared, own);
    }
    shared += step;
    own += step;
    size -= step;
  }
}

class Mapping final : public Resource {
 public:
  static constexpr Kind kKind = Kind::kMapping;

  // Takes over the memory.
  Mapping(uint8_t* memory, size_t length, bool writable, const MapShape& map)
      : Resource(kKind),
        memory_(memory),
        length_(length),
        writable_(writable),
        arena_(map.type == kArena),
        faults_(arena_ && (map.flags & kSegvOnFault) != 0) {}
  ~Mapping() override { munmap(memory_, length_); }

  // mapping, offset, destination or source
  template <bool reading>
  int64_t Copy(const Arguments& arguments) {
    Bytes bytes;
    if (!arguments.GetBytes(2, &bytes) || bytes.absent) return -EINVAL;
    return CopyBytes<reading>(arguments, bytes.data, bytes.size);
  }

  // mapping: where an arena is, which pointers in it say too. Of other memory no address reaches JavaScript.
  int64_t ArenaAddress(const Arguments& /*arguments*/) {
    return arena_ ? static_cast<int64_t>(Address(memory_)) : -EINVAL;
  }

  // mapping, offset, size: as `Copy`, to and from the environment's word.
  template <bool reading>
  int64_t CopyOne(const Arguments& arguments) {
    const auto size = static_cast<uint64_t>(arguments.Integer(2));
    uint8_t* word = arguments.environment.word;
    if (word == nullptr || size > Environment::kWordSize) return -EINVAL;
    return CopyBytes<reading>(arguments, word, size);
  }

 private:
  template <bool reading>
  int64_t CopyBytes(const Arguments& arguments, uint8_t* own, size_t size) {
    const int64_t offset = arguments.Integer(1);
    if (offset < 0 || size > length_ || static_cast<uint64_t>(offset) > length_ - size) return -ERANGE;
    if (!reading && !writable_) return -EROFS;
    if (faults_) return CopyByKernel<reading>(memory_ + offset, own, size);
    if (!reading) __atomic_thread_fence(__ATOMIC_RELEASE);
    CopyWords<reading>(memory_ + offset, own, size);
    if (reading) __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return 0;
  }

  // Touching a page that no program has allocated would end the process; the kernel's own copy fails with EFAULT.
  template <bool reading>
  static int64_t CopyByKernel(uint8_t* shared, uint8_t* own, size_t size) {
    const iovec here = {own, size};
    const iovec there = {shared, size};
    const ssize_t count = reading ? process_vm_readv(getpid(), &here, 1, &there, 1, 0)
                                  : process_vm_writev(getpid(), &here, 1, &there, 1, 0);
    if (count < 0) return -errno;
    return static_cast<size_t>(count) == size ? 0 : -EFAULT;
  }

  uint8_t* const memory_;
  const size_t length_;
  const bool writable_;
  const bool arena_;
  const bool faults_;
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
  auto* mapping = new (std::nothrow) Mapping(static_cast<uint8_t*>(memory), length, writable, descriptor->shape);
  if (mapping != nullptr) return arguments.environment.Insert(mapping);
  munmap(memory, length);
  return -ENOMEM;
}

// A Uint8Array, which must not be detachable and is kept from now on.
int64_t UseWord(const Arguments& arguments) {
  Bytes bytes;
  napi_ref reference = nullptr;
  if (!arguments.GetBytes(0, &bytes) || bytes.size < Environment::kWordSize ||
      napi_create_reference(arguments.env, arguments[0], 1, &reference) != napi_ok) {
    return -EINVAL;
  }
  arguments.environment.word = bytes.data;
  return 0;
}

}  // namespace

const Entries kMappingEntries = {
    {"mappingOpen", Calls<Open>},
    {"mappingRead", Calls<On<Mapping, &Mapping::Copy<true>>>},
    {"mappingWrite", Calls<On<Mapping, &Mapping::Copy<false>>>},
    {"mappingLoad", Calls<On<Mapping, &Mapping::CopyOne<true>>>},
    {"mappingStore", Calls<On<Mapping, &Mapping::CopyOne<false>>>},
    {"arenaAddress", Calls<On<Mapping, &Mapping::ArenaAddress>>},
    {"useWord", Calls<UseWord>},
};

}  // namespace ebpf
