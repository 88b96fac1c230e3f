// Reading arguments and returning numbers, in raw Node-API: these are in every hot call.

#pragma once

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

// Elements of a typed array of exactly `wanted`.
template <typename Element>
bool ReadArray(napi_env env, napi_value value, napi_typedarray_type wanted, Element** elements, size_t* length) {
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &data, nullptr, nullptr) != napi_ok) return false;
  *elements = static_cast<Element*>(data);
  return type == wanted;
}

template <size_t Count>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = Count;
    void* data = nullptr;
    if (napi_get_cb_info(env, info, &count, values_, nullptr, &data) == napi_ok) {
      environment_ = static_cast<Environment*>(data);
    }
  }

  Environment& environment() const { return *environment_; }
  napi_value operator[](size_t index) const { return values_[index]; }

  // 0 for what is not a number, which no token, command or request of consequence is.
  int64_t Integer(size_t index) const {
    int64_t value = 0;
    return napi_get_value_int64(env_, values_[index], &value) == napi_ok ? value : 0;
  }

  bool Boolean(size_t index) const {
    bool value = false;
    return napi_get_value_bool(env_, values_[index], &value) == napi_ok && value;
  }

  bool GetBytes(size_t index, Bytes* bytes) const { return ReadBytes(env_, values_[index], bytes); }

  // The function given, or null.
  napi_value Function(size_t index) const {
    napi_valuetype kind;
    const bool is_function = napi_typeof(env_, values_[index], &kind) == napi_ok && kind == napi_function;
    return is_function ? values_[index] : nullptr;
  }

  napi_value Return(int64_t result) const {
    napi_value value = nullptr;
    napi_create_int64(env_, result, &value);
    return value;
  }

 private:
  const napi_env env_;
  Environment* environment_ = nullptr;
  napi_value values_[Count] = {};
};

}  // namespace ebpf
