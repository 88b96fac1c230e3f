// Entries: reading arguments and returning numbers, in raw Node-API, since these are in every hot call.

#pragma once

#include <cerrno>
#include <initializer_list>
#include <node_api.h>

#include "environment.h"

namespace ebpf {

// Bytes of a Uint8Array, valid until JavaScript runs again. Null and undefined are `absent`.
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
  bool absent = false;
};

inline bool ReadBytes(napi_env env, napi_value value, Bytes* bytes) {
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &bytes->size, &data, nullptr, nullptr) == napi_ok) {
    bytes->data = static_cast<uint8_t*>(data);
    return type == napi_uint8_array;
  }
  napi_valuetype kind;
  bytes->absent = napi_typeof(env, value, &kind) == napi_ok && (kind == napi_null || kind == napi_undefined);
  return bytes->absent;
}

class Arguments {
 public:
  Arguments(napi_env node_env, napi_callback_info info) : env(node_env), environment(Read(info)) {}

  napi_value operator[](size_t index) const { return values_[index]; }

  // 0 for what is not a number, which no token, command or request of consequence is.
  int64_t Integer(size_t index) const {
    int64_t value = 0;
    return napi_get_value_int64(env, values_[index], &value) == napi_ok ? value : 0;
  }

  bool Boolean(size_t index) const {
    bool value = false;
    return napi_get_value_bool(env, values_[index], &value) == napi_ok && value;
  }

  bool GetBytes(size_t index, Bytes* bytes) const { return ReadBytes(env, values_[index], bytes); }

  // Elements of a typed array of exactly `wanted`; false when it is another or has fewer than `least`.
  template <typename Element>
  bool GetArray(size_t index, napi_typedarray_type wanted, size_t least, Element** elements,
                size_t* length = nullptr) const {
    napi_typedarray_type type;
    void* data = nullptr;
    size_t count = 0;
    if (napi_get_typedarray_info(env, values_[index], &type, &count, &data, nullptr, nullptr) != napi_ok) return false;
    *elements = static_cast<Element*>(data);
    if (length != nullptr) *length = count;
    return type == wanted && count >= least;
  }

  // The function given, or null.
  napi_value Function(size_t index) const {
    napi_valuetype kind;
    const bool is_function = napi_typeof(env, values_[index], &kind) == napi_ok && kind == napi_function;
    return is_function ? values_[index] : nullptr;
  }

  const Descriptor* Map() const { return environment.FindDescriptor(Integer(0), Kind::kMap); }

  const napi_env env;

 private:
  static constexpr size_t kMost = 8;
  napi_value values_[kMost] = {};

  Environment& Read(napi_callback_info info) {
    size_t count = kMost;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    return *static_cast<Environment*>(data);
  }

 public:
  Environment& environment;  // after the values, which are read with it
};

// An entry as Node-API calls it: all of them return a number, -errno for a refusal.
template <int64_t (*function)(const Arguments&)>
napi_value Calls(napi_env env, napi_callback_info info) {
  napi_value result = nullptr;
  napi_create_int64(env, function(Arguments(env, info)), &result);
  return result;
}

// The same for a method of the resource whose token is the first argument.
template <typename Class, int64_t (Class::*method)(const Arguments&)>
int64_t On(const Arguments& arguments) {
  Resource* resource = arguments.environment.Find(arguments.Integer(0));
  const bool found = resource != nullptr && resource->kind == Class::kKind;
  return found ? (static_cast<Class*>(resource)->*method)(arguments) : -EBADF;
}

// The functions that JavaScript calls, by the file that has them. lib/sys/addon.ts describes each.
struct Entry {
  const char* name;
  napi_callback callback;
};
using Entries = std::initializer_list<Entry>;
extern const Entries kCallEntries, kDescriptorEntries, kFileEntries, kLimitEntries, kMapEntries, kMappingEntries,
    kNetworkEntries, kPerfBufferEntries, kRingEntries, kShareEntries, kSourceEntries, kUserRingEntries;

}  // namespace ebpf
