// Registration: one Environment per JavaScript environment, handed to every function as its data.

#include "arguments.h"

namespace {

bool Define(napi_env env, napi_value exports, ebpf::Environment* environment) {
  for (const auto& entries : {ebpf::kCallEntries, ebpf::kDescriptorEntries, ebpf::kFileEntries, ebpf::kLimitEntries,
                              ebpf::kMapEntries, ebpf::kMappingEntries, ebpf::kNetworkEntries, ebpf::kPerfBufferEntries,
                              ebpf::kRingEntries, ebpf::kShareEntries, ebpf::kSourceEntries, ebpf::kUserRingEntries}) {
    for (const auto& [name, callback] : entries) {
      napi_value function = nullptr;
      if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, environment, &function) != napi_ok ||
          napi_set_named_property(env, exports, name, function) != napi_ok) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

NAPI_MODULE_INIT() {
  ebpf::Environment* environment = ebpf::Environment::Create(env);
  if (environment == nullptr || !Define(env, exports, environment)) {
    napi_throw_error(env, nullptr, "the addon of node-ebpf cannot start: out of memory or terminating");
  }
  return exports;
}
