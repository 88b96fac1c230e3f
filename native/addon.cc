// Registration: one Environment per JavaScript environment, handed to every function as its data.

#include <node_api.h>

#include "entries.h"
#include "environment.h"

namespace {

bool Define(napi_env env, napi_value exports, const ebpf::Entry* entries, ebpf::Environment* environment) {
  for (const ebpf::Entry* entry = entries; entry->name != nullptr; entry++) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry->name, NAPI_AUTO_LENGTH, entry->function, environment, &function) != napi_ok ||
        napi_set_named_property(env, exports, entry->name, function) != napi_ok) {
      return false;
    }
  }
  return true;
}

}  // namespace

NAPI_MODULE_INIT() {
  ebpf::Environment* environment = ebpf::Environment::Create(env);
  const bool defined =
      environment != nullptr && Define(env, exports, ebpf::kCallEntries, environment) &&
      Define(env, exports, ebpf::kLimitEntries, environment) && Define(env, exports, ebpf::kMapEntries, environment) &&
      Define(env, exports, ebpf::kMappingEntries, environment) && Define(env, exports, ebpf::kRingEntries, environment);
  if (!defined) napi_throw_error(env, nullptr, "the addon of node-ebpf cannot start: out of memory or terminating");
  return exports;
}
