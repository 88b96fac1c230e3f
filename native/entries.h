// The functions that JavaScript calls, by the file that has them. lib/sys/addon.ts describes each.

#pragma once

#include <node_api.h>

namespace ebpf {

struct Entry {
  const char* name;
  napi_callback function;
};

// Each list ends with a null name.
extern const Entry kCallEntries[];
extern const Entry kLimitEntries[];
extern const Entry kMapEntries[];
extern const Entry kMappingEntries[];
extern const Entry kRingEntries[];

}  // namespace ebpf
