// Memory shared with the kernel, copied in and out. JavaScript gets no view of it: Electron forbids external buffers,
// and plain access from JavaScript has no memory order.

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

#include "arguments.h"
#include "lock.h"

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

// An arena has one place, since its pointers name it: whoever maps it again, in any thread, gets that. It stays the
// place when nobody has it mapped, since the kernel allows no other.
struct Place {
  uint32_t map_id;
  uint32_t uses;  // 0: not mapped now
  uint8_t* memory;
  size_t length;
};

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// Never destroyed: a Worker may still run while the process exits.
std::vector<Place>& places = *new std::vector<Place>();

void UnmapArena(const uint8_t* memory) {
  const Locked locked(&lock);
  for (Place& place : places) {
    if (place.memory != memory || place.uses == 0) continue;
    place.uses--;
    if (place.uses == 0) munmap(place.memory, place.length);
  }
}

// The memory, or null and `*error`.
uint8_t* Map(int descriptor, size_t length, bool writable, uint64_t address, int64_t offset, int* error) {
  const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  // At an address that is asked for, or not at all: what is there already stays.
  const int flags = address == 0 ? MAP_SHARED : MAP_SHARED | MAP_FIXED_NOREPLACE;
  auto* wanted = reinterpret_cast<void*>(static_cast<uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
  void* memory = mmap(wanted, length, access, flags, descriptor, offset);
  *error = memory == MAP_FAILED ? -errno : 0;
  return memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
}

uint8_t* MapArena(const Descriptor& map, size_t length, bool writable, uint64_t address, int* error) {
  // Whoever opened it for less must not get the memory of one who did not. The kernel maps arenas for both only.
  if (!writable || (fcntl(map.number(), F_GETFL) & O_ACCMODE) != O_RDWR) {
    *error = -EACCES;
    return nullptr;
  }
  const Locked locked(&lock);
  for (Place& place : places) {
    if (place.map_id != map.shape.id) continue;
    if (place.uses == 0) {
      if (Map(map.number(), length, writable, Address(place.memory), 0, error) == nullptr) return nullptr;
      place.length = length;
    } else if (place.length != length || (address != 0 && address != Address(place.memory))) {
      *error = -EEXIST;
      return nullptr;
    }
    place.uses++;
    return place.memory;
  }
  uint8_t* memory = Map(map.number(), length, writable, address, 0, error);
  if (memory != nullptr) places.push_back({map.shape.id, 1, memory, length});
  return memory;
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
  ~Mapping() override {
    if (arena_) {
      UnmapArena(memory_);
    } else {
      munmap(memory_, length_);
    }
  }

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

  // mapping, offset, size: as `Copy`, to and from the environment's area.
  template <bool reading>
  int64_t CopyOne(const Arguments& arguments) {
    const auto size = static_cast<uint64_t>(arguments.Integer(2));
    uint8_t* area = arguments.environment.area;
    if (area == nullptr || size > Environment::kPartSize) return -EINVAL;
    return CopyBytes<reading>(arguments, area, size);
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
  const bool arena = descriptor->kind == Kind::kMap && descriptor->shape.type == kArena;
  if (arena && offset != 0) return -EINVAL;
  int error = 0;
  uint8_t* memory = arena ? MapArena(*descriptor, length, writable, static_cast<uint64_t>(address), &error)
                          : Map(descriptor->number(), length, writable, static_cast<uint64_t>(address), offset, &error);
  if (memory == nullptr) return error;
  auto* mapping = new (std::nothrow) Mapping(memory, length, writable, descriptor->shape);
  if (mapping != nullptr) return arguments.environment.Insert(mapping);
  if (arena) {
    UnmapArena(memory);
  } else {
    munmap(memory, length);
  }
  return -ENOMEM;
}

// A Uint8Array, which must not be detachable and is kept from now on.
int64_t UseArea(const Arguments& arguments) {
  Bytes bytes;
  napi_ref reference = nullptr;
  if (!arguments.GetBytes(0, &bytes) || bytes.size < 2 * Environment::kPartSize ||
      napi_create_reference(arguments.env, arguments[0], 1, &reference) != napi_ok) {
    return -EINVAL;
  }
  arguments.environment.area = bytes.data;
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
    {"useArea", Calls<UseArea>},
};

}  // namespace ebpf
