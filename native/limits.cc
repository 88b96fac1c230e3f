// Resource limits of the process.

#include <sys/resource.h>

#include "arguments.h"

namespace ebpf {

namespace {

// resource, [soft, hard], set
int64_t ResourceLimit(const Arguments& arguments) {
  uint64_t* limits = nullptr;
  if (!arguments.GetArray(1, napi_biguint64_array, 2, &limits)) return -EINVAL;
  rlimit limit = {limits[0], limits[1]};
  const auto resource = static_cast<decltype(RLIMIT_MEMLOCK)>(arguments.Integer(0));
  const int result = arguments.Boolean(2) ? setrlimit(resource, &limit) : getrlimit(resource, &limit);
  if (result < 0) return -errno;
  limits[0] = limit.rlim_cur;
  limits[1] = limit.rlim_max;
  return 0;
}

}  // namespace

const Entries kLimitEntries = {{"resourceLimit", Calls<ResourceLimit>}};

}  // namespace ebpf
