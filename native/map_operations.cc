// The element and batch commands of bpf(2): one system call each, on the caller's buffers, nothing allocated.
//
// Every length is checked against the map's own sizes (system.h): the kernel reads and writes by those alone, and what
// it writes past a buffer's end would be lost or fatal.

#include <algorithm>
#include <cerrno>

#include "arguments.h"
#include "entries.h"

namespace ebpf {

namespace {

// The position of a walk over a hash table is a bucket number, that over other maps a key.
constexpr size_t kBucketSize = sizeof(uint32_t);

// A key is absent exactly where the map has none (queues, stacks, bloom filters), or where the command allows it.
bool KeyFits(const MapShape& shape, const Bytes& key, bool optional) {
  if (key.absent) return optional || shape.key_size == 0;
  return shape.key_size > 0 && key.size >= shape.key_size;
}

bool ValueFits(uint64_t value_bytes, const Bytes& value) {
  return value_bytes > 0 && !value.absent && value.size >= value_bytes;
}

// map, key, value, flags. The value of a map of descriptors is a token, the next key stands where others have a value.
template <uint32_t command>
napi_value ElementEntry(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const Table& table = arguments.environment().table;
  const Descriptor* map = table.FindDescriptor(arguments.Integer(0), Kind::kMap);
  if (map == nullptr) return arguments.Return(-EBADF);
  const MapShape& shape = map->shape();
  Bytes key;
  Bytes value;
  int descriptor = -1;
  if (!arguments.GetBytes(1, &key) || !KeyFits(shape, key, command == kMapNextKey)) return arguments.Return(-EINVAL);
  if (command == kMapUpdate && shape.HoldsDescriptors()) {
    const Descriptor* held = table.FindDescriptor(arguments.Integer(2));
    if (held == nullptr) return arguments.Return(-EBADF);
    descriptor = held->number();
    value.data = reinterpret_cast<uint8_t*>(&descriptor);
  } else if (command != kMapDelete) {
    const uint64_t bytes =
        command == kMapNextKey ? shape.key_size : shape.ValueBytes(arguments.environment().possible_cpus);
    if (!arguments.GetBytes(2, &value) || !ValueFits(bytes, value)) return arguments.Return(-EINVAL);
  }
  ElementAttr attr = {static_cast<uint32_t>(map->number()), 0, Address(key.data), Address(value.data),
                      static_cast<uint64_t>(arguments.Integer(3))};
  return arguments.Return(Bpf(command, &attr, sizeof attr));
}

// command, map, position, next position, keys, values, count, element flags
napi_value BatchEntry(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  const int64_t command = arguments.Integer(0);
  const Descriptor* map = arguments.environment().table.FindDescriptor(arguments.Integer(1), Kind::kMap);
  if (map == nullptr) return arguments.Return(-EBADF);
  if (command < kMapLookupBatch || command > kMapDeleteBatch) return arguments.Return(-EINVAL);
  const bool walks = command == kMapLookupBatch || command == kMapLookupAndDeleteBatch;
  const MapShape& shape = map->shape();
  const uint64_t value_bytes = shape.ValueBytes(arguments.environment().possible_cpus);
  const size_t position_size = std::max<size_t>(kBucketSize, shape.key_size);
  Bytes position;
  Bytes next;
  Bytes keys;
  Bytes values;
  uint32_t* count = nullptr;
  size_t count_length = 0;
  if (!arguments.GetBytes(2, &position) || !arguments.GetBytes(3, &next) || !arguments.GetBytes(4, &keys) ||
      !arguments.GetBytes(5, &values) || !ReadArray(env, arguments[6], napi_uint32_array, &count, &count_length) ||
      count_length == 0) {
    return arguments.Return(-EINVAL);
  }
  const uint64_t wanted = *count;
  // The products fit: a count and a key size have 32 bits each; values are divided instead.
  if (shape.key_size == 0 || keys.size < wanted * shape.key_size ||
      (command != kMapDeleteBatch && (value_bytes == 0 || values.size / value_bytes < wanted)) ||
      (walks && (next.size < position_size || (!position.absent && position.size < position_size))) ||
      (command == kMapUpdateBatch && shape.HoldsDescriptors())) {
    return arguments.Return(-EINVAL);
  }
  BatchAttr attr = {Address(position.data),
                    Address(next.data),
                    Address(keys.data),
                    Address(values.data),
                    static_cast<uint32_t>(wanted),
                    static_cast<uint32_t>(map->number()),
                    static_cast<uint64_t>(arguments.Integer(7)),
                    0};
  const int result = Bpf(static_cast<uint32_t>(command), &attr, sizeof attr);
  // A call refused before it began leaves the count as it was. Only a finished walk fails (ENOENT) with all counted.
  const bool untouched = result < 0 && result != -ENOENT && attr.count == wanted;
  *count = untouched ? 0 : attr.count;
  return arguments.Return(result);
}

// map, Uint32Array of six
napi_value ShapeEntry(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const Descriptor* map = arguments.environment().table.FindDescriptor(arguments.Integer(0), Kind::kMap);
  if (map == nullptr) return arguments.Return(-EBADF);
  uint32_t* out = nullptr;
  size_t length = 0;
  if (!ReadArray(env, arguments[1], napi_uint32_array, &out, &length) || length < 6) return arguments.Return(-EINVAL);
  const MapShape& shape = map->shape();
  const uint64_t value_bytes = shape.ValueBytes(arguments.environment().possible_cpus);
  const uint32_t numbers[] = {shape.type,        shape.key_size, shape.value_size,
                              shape.max_entries, shape.flags,    static_cast<uint32_t>(value_bytes)};
  std::copy(std::begin(numbers), std::end(numbers), out);
  return arguments.Return(value_bytes > UINT32_MAX ? -EOVERFLOW : 0);
}

}  // namespace

const Entry kMapEntries[] = {
    {"mapLookup", ElementEntry<kMapLookup>},
    {"mapLookupAndDelete", ElementEntry<kMapLookupAndDelete>},
    {"mapUpdate", ElementEntry<kMapUpdate>},
    {"mapDelete", ElementEntry<kMapDelete>},
    {"mapNextKey", ElementEntry<kMapNextKey>},
    {"mapBatch", BatchEntry},
    {"mapShape", ShapeEntry},
    {nullptr, nullptr},
};

}  // namespace ebpf
