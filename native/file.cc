// Files of sysfs and procfs, which the kernel hands out a page per call: from JavaScript each would cost several times
// what it brings.

#include <sys/mman.h>
#include <unistd.h>

#include "arguments.h"

namespace ebpf {

namespace {

// A new buffer of megabytes is a thousand page faults, or two or three with huge pages.
void WantHugePages(const Bytes& bytes) {
  constexpr uintptr_t kHugePage = 2 << 20;
  const uintptr_t begin = (Address(bytes.data) + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (Address(bytes.data) + bytes.size) / kHugePage * kHugePage;
  // It is a wish: where there are none, nothing is lost.
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

// descriptor, destination, offset, most: the bytes read, fewer than `most` only at the end of the file.
int64_t Read(const Arguments& arguments) {
  const int64_t offset = arguments.Integer(2);
  const int64_t most = arguments.Integer(3);
  Bytes bytes;
  if (!arguments.GetBytes(1, &bytes) || bytes.absent || offset < 0 || most < 0) return -EINVAL;
  if (static_cast<uint64_t>(offset) > bytes.size ||
      static_cast<uint64_t>(most) > bytes.size - static_cast<uint64_t>(offset)) {
    return -ERANGE;
  }
  if (offset == 0) WantHugePages(bytes);
  int64_t done = 0;
  while (done < most) {
    const ssize_t count =
        read(static_cast<int>(arguments.Integer(0)), bytes.data + offset + done, static_cast<size_t>(most - done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    done += count;
  }
  return done;
}

}  // namespace

const Entries kFileEntries = {{"read", Calls<Read>}};

}  // namespace ebpf
