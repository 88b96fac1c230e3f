// Files of sysfs and procfs, which the kernel hands out a page per call: from JavaScript each would cost several times
// what it brings. Locks of files, which Node has not.

#include <memory>
#include <new>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "call.h"

namespace ebpf {

namespace {

// A new buffer of megabytes is a thousand page faults, or two or three with huge pages.
void WantHugePages(napi_env env, napi_value destination) {
  constexpr uintptr_t kHugePage = 2 << 20;
  napi_value buffer = nullptr;
  void* data = nullptr;
  size_t size = 0;
  if (napi_get_typedarray_info(env, destination, nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_get_arraybuffer_info(env, buffer, &data, &size) != napi_ok) {
    return;
  }
  const uintptr_t begin = (Address(data) + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (Address(data) + size) / kHugePage * kHugePage;
  // It is a wish: where there are none, nothing is lost.
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

// descriptor, destination, offset, index, completion: fills the destination from there on; the bytes read, fewer than
// there is room for only at the end of the file. With an index, the file is BTF, and the index is filled in when all of
// the file was read.
int64_t Read(const Arguments& arguments) {
  const int64_t offset = arguments.Integer(2);
  Bytes bytes;
  if (!arguments.GetBytes(1, &bytes) || bytes.absent || offset < 0) return -EINVAL;
  if (static_cast<uint64_t>(offset) > bytes.size) return -ERANGE;
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_read));
  if (call == nullptr) return -ENOMEM;
  if (offset == 0) WantHugePages(arguments.env, arguments[1]);
  uint32_t* index = nullptr;
  size_t index_length = 0;
  if (arguments.GetArray(3, napi_uint32_array, 0, &index, &index_length) && offset == 0) {
    call->IndexBtf(index, index_length);
  }
  if (const int error = call->Fill({arguments[1], arguments[3]}, static_cast<int>(arguments.Integer(0)),
                                   bytes.data + offset, bytes.size - static_cast<size_t>(offset))) {
    return error;
  }
  return Call::Start(std::move(call), arguments.Function(4));
}

// descriptor, operation: 0, or -EWOULDBLOCK instead of waiting
int64_t Lock(const Arguments& arguments) {
  const int operation = static_cast<int>(arguments.Integer(1)) | LOCK_NB;
  return flock(static_cast<int>(arguments.Integer(0)), operation) < 0 ? -errno : 0;
}

}  // namespace

const Entries kFileEntries = {{"read", Calls<Read>}, {"lockFile", Calls<Lock>}};

}  // namespace ebpf
