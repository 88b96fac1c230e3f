// Resource limits of the process.

#include <cerrno>
#include <sys/resource.h>

#include "arguments.h"
#include "entries.h"

namespace ebpf {

namespace {

// resource, [soft, hard], set
napi_value ResourceLimitEntry(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  uint64_t* limits = nullptr;
  size_t length = 0;
  if (!ReadArray(env, arguments[1], napi_biguint64_array, &limits, &length) || length != 2) {
    return arguments.Return(-EINVAL);
  }
  rlimit limit = {limits[0], limits[1]};
  const auto resource = static_cast<decltype(RLIMIT_MEMLOCK)>(arguments.Integer(0));
  const int result = arguments.Boolean(2) ? setrlimit(resource, &limit) : getrlimit(resource, &limit);
  if (result < 0) return arguments.Return(-errno);
  limits[0] = limit.rlim_cur;
  limits[1] = limit.rlim_max;
  return arguments.Return(0);
}

}  // namespace

const Entry kLimitEntries[] = {{"resourceLimit", ResourceLimitEntry}, {nullptr, nullptr}};

}  // namespace ebpf
