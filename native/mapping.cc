// Memory shared with the kernel, copied in and out. JavaScript gets no view of it: Electron forbids external buffers,
// and plain access from JavaScript has no memory order.

#include <cerrno>
#include <cstring>
#include <new>
#include <sys/mman.h>

#include "arguments.h"
#include "entries.h"

namespace ebpf {

namespace {

class Mapping final : public Resource {
 public:
  static constexpr Kind kKind = Kind::kMapping;

  Mapping(uint8_t* memory, size_t length, bool writable)
      : Resource(kKind), memory_(memory), length_(length), writable_(writable) {}
  ~Mapping() override { munmap(memory_, length_); }

  bool writable() const { return writable_; }

  // The address of `size` bytes at `offset`; null when they leave the mapping.
  uint8_t* At(int64_t offset, size_t size) const {
    if (offset < 0 || size > length_ || static_cast<uint64_t>(offset) > length_ - size) return nullptr;
    return memory_ + offset;
  }

 private:
  uint8_t* const memory_;
  const size_t length_;
  const bool writable_;
};

// A variable is copied by one load and one store of its size, so that it is never seen half written.
template <typename Word>
bool CopyWord(uint8_t* destination, const uint8_t* source, size_t size, bool from_shared) {
  if (size != sizeof(Word) || Address(from_shared ? source : destination) % sizeof(Word) != 0) return false;
  Word word;
  if (from_shared) {
    word = __atomic_load_n(reinterpret_cast<const Word*>(source), __ATOMIC_RELAXED);
    memcpy(destination, &word, sizeof word);
  } else {
    memcpy(&word, source, sizeof word);
    __atomic_store_n(reinterpret_cast<Word*>(destination), word, __ATOMIC_RELAXED);
  }
  return true;
}

void Copy(uint8_t* destination, const uint8_t* source, size_t size, bool from_shared) {
  const bool copied = CopyWord<uint64_t>(destination, source, size, from_shared) ||
                      CopyWord<uint32_t>(destination, source, size, from_shared) ||
                      CopyWord<uint16_t>(destination, source, size, from_shared);
  if (!copied && size > 0) memcpy(destination, source, size);
}

// token, offset, length, writable
napi_value OpenEntry(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Environment& environment = arguments.environment();
  const Descriptor* descriptor = environment.table.FindDescriptor(arguments.Integer(0));
  const int64_t offset = arguments.Integer(1);
  const int64_t length = arguments.Integer(2);
  const bool writable = arguments.Boolean(3);
  if (descriptor == nullptr) return arguments.Return(-EBADF);
  if (offset < 0 || length <= 0) return arguments.Return(-EINVAL);
  void* memory = mmap(nullptr, static_cast<size_t>(length), writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                      descriptor->number(), offset);
  if (memory == MAP_FAILED) return arguments.Return(-errno);
  auto* mapping = new (std::nothrow) Mapping(static_cast<uint8_t*>(memory), static_cast<size_t>(length), writable);
  if (mapping != nullptr) return arguments.Return(environment.table.Insert(mapping));
  munmap(memory, static_cast<size_t>(length));
  return arguments.Return(-ENOMEM);
}

// mapping, offset, destination
napi_value ReadEntry(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const Mapping* mapping = arguments.environment().table.FindA<Mapping>(arguments.Integer(0));
  if (mapping == nullptr) return arguments.Return(-EBADF);
  Bytes destination;
  if (!arguments.GetBytes(2, &destination) || destination.absent) return arguments.Return(-EINVAL);
  const uint8_t* source = mapping->At(arguments.Integer(1), destination.size);
  if (source == nullptr) return arguments.Return(-ERANGE);
  Copy(destination.data, source, destination.size, true);
  return arguments.Return(0);
}

// mapping, offset, source
napi_value WriteEntry(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const Mapping* mapping = arguments.environment().table.FindA<Mapping>(arguments.Integer(0));
  if (mapping == nullptr) return arguments.Return(-EBADF);
  Bytes source;
  if (!arguments.GetBytes(2, &source) || source.absent) return arguments.Return(-EINVAL);
  uint8_t* destination = mapping->At(arguments.Integer(1), source.size);
  if (destination == nullptr) return arguments.Return(-ERANGE);
  if (!mapping->writable()) return arguments.Return(-EROFS);
  Copy(destination, source.data, source.size, false);
  return arguments.Return(0);
}

}  // namespace

const Entry kMappingEntries[] = {
    {"mappingOpen", OpenEntry},
    {"mappingRead", ReadEntry},
    {"mappingWrite", WriteEntry},
    {nullptr, nullptr},
};

}  // namespace ebpf
