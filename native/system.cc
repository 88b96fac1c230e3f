#include "system.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ebpf {

uint64_t MapShape::ValueBytes(uint32_t possible_cpus) const {
  if (HoldsDescriptors()) return sizeof(uint32_t);
  const bool per_cpu =
      type == kPerCpuHash || type == kPerCpuArray || type == kLruPerCpuHash || type == kPerCpuCgroupStorage;
  return per_cpu ? (static_cast<uint64_t>(value_size) + 7) / 8 * 8 * possible_cpus : value_size;
}

bool MapShape::HoldsDescriptors() const {
  return type == kProgramArray || type == kPerfEventArray || type == kCgroupArray || type == kArrayOfMaps ||
         type == kHashOfMaps;
}

bool MapShape::KeyIsDescriptor() const {
  return type == kSocketStorage || type == kInodeStorage || type == kTaskStorage || type == kCgroupLocalStorage;
}

int Bpf(uint32_t command, void* attr, size_t size) {
  const long result = syscall(SYS_bpf, command, attr, size);
  return result < 0 ? -errno : static_cast<int>(result);
}

int LearnShape(int map, MapShape* shape) {
  struct {
    uint32_t descriptor;
    uint32_t length;
    uint64_t info;
  } attr = {static_cast<uint32_t>(map), sizeof(*shape), Address(shape)};
  static_assert(sizeof(*shape) == 24, "the first fields of struct bpf_map_info");
  return Bpf(kObjectInfo, &attr, sizeof attr);
}

int AboveStandard(int descriptor) {
  if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
  const int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int result = moved < 0 ? -errno : moved;
  close(descriptor);
  return result;
}

uint32_t PossibleCpus() {
  const int file = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[1024];
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  // Ranges such as "0-3,8-11".
  uint32_t count = 0;
  for (char* rest = text; *rest >= '0' && *rest <= '9';) {
    const unsigned long first = strtoul(rest, &rest, 10);
    const unsigned long last = *rest == '-' ? strtoul(rest + 1, &rest, 10) : first;
    if (last < first || last > 1'000'000) return 0;
    count += static_cast<uint32_t>(last - first + 1);
    if (*rest == ',') rest++;
  }
  return count;
}

}  // namespace ebpf
