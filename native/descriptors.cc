// Descriptors that are not of BPF: what maps hold or are asked about.

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arguments.h"

namespace ebpf {

namespace {

// Of 5.3, newer than the headers that the addon is built against; the same on every architecture.
constexpr long kOpenProcess = 434;  // pidfd_open

// process or thread, flags; a token
int64_t OpenProcess(const Arguments& arguments) {
  const auto id = static_cast<int>(arguments.Integer(0));
  const auto descriptor = static_cast<int>(syscall(kOpenProcess, id, static_cast<unsigned>(arguments.Integer(1))));
  const int moved = descriptor < 0 ? -errno : AboveStandard(descriptor);
  return moved < 0 ? moved : arguments.environment.Adopt(Kind::kOther, moved, MapShape());
}

// token, destination; the bytes of /proc/self/fdinfo that went there
int64_t DescriptorInfo(const Arguments& arguments) {
  const Descriptor* descriptor = arguments.environment.FindDescriptor(arguments.Integer(0));
  Bytes bytes;
  if (descriptor == nullptr) return -EBADF;
  if (!arguments.GetBytes(1, &bytes) || bytes.absent) return -EINVAL;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor->number());
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -errno;
  const ssize_t count = read(file, bytes.data, bytes.size);
  const int64_t result = count < 0 ? -errno : count;
  close(file);
  return result;
}

// token: another one for the same, that lives for itself
int64_t Duplicate(const Arguments& arguments) {
  const Descriptor* found = arguments.environment.FindDescriptor(arguments.Integer(0));
  if (found == nullptr) return -EBADF;
  const int descriptor = fcntl(found->number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return descriptor < 0 ? -errno : arguments.environment.Adopt(found->kind, descriptor, found->shape);
}

}  // namespace

const Entries kDescriptorEntries = {
    {"openProcess", Calls<OpenProcess>},
    {"descriptorInfo", Calls<DescriptorInfo>},
    {"duplicate", Calls<Duplicate>},
};

}  // namespace ebpf
