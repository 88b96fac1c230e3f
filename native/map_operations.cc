// The element and batch commands of bpf(2): one system call each, on the caller's buffers, nothing allocated.
//
// Every length is checked against the map's own sizes (system.h): the kernel reads and writes by those alone, and what
// it writes past a buffer's end would be lost or fatal.

#include <algorithm>
#include <cstring>

#include "arguments.h"

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

// map, key, value, flags. The value of a map of descriptors is a token, as the key of a local storage may be; the next
// key stands where others have a value.
template <uint32_t command>
int64_t Element(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  if (map == nullptr) return -EBADF;
  const MapShape& shape = map->shape;
  Bytes key, value;
  int owner = -1;
  int descriptor = -1;
  // No token is 0, which is what bytes read as.
  const int64_t key_token = shape.KeyIsDescriptor() ? arguments.Integer(1) : 0;
  if (key_token != 0) {
    const Descriptor* held = arguments.environment.FindDescriptor(key_token);
    if (held == nullptr) return -EBADF;
    owner = held->number();
    key.data = reinterpret_cast<uint8_t*>(&owner);
  } else if (!arguments.GetBytes(1, &key) || !KeyFits(shape, key, command == kMapNextKey)) {
    return -EINVAL;
  }
  if (command == kMapUpdate && shape.HoldsDescriptors()) {
    const Descriptor* held = arguments.environment.FindDescriptor(arguments.Integer(2));
    if (held == nullptr) return -EBADF;
    descriptor = held->number();
    value.data = reinterpret_cast<uint8_t*>(&descriptor);
  } else if (command != kMapDelete) {
    const uint64_t bytes =
        command == kMapNextKey ? shape.key_size : shape.ValueBytes(arguments.environment.possible_cpus);
    if (!arguments.GetBytes(2, &value) || !ValueFits(bytes, value)) return -EINVAL;
  }
  ElementAttr attr = {static_cast<uint32_t>(map->number()), 0, Address(key.data), Address(value.data),
                      static_cast<uint64_t>(arguments.Integer(3))};
  return Bpf(command, &attr, sizeof attr);
}

// map, flags: as `Element`, with the key and the value in the two parts of the environment's area.
template <uint32_t command>
int64_t ShortElement(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  uint8_t* area = arguments.environment.area;
  if (map == nullptr) return -EBADF;
  const MapShape& shape = map->shape;
  const uint64_t value_bytes = shape.ValueBytes(arguments.environment.possible_cpus);
  if (area == nullptr || shape.KeyIsDescriptor() || shape.HoldsDescriptors() || shape.key_size == 0 ||
      shape.key_size > Environment::kPartSize || value_bytes == 0 || value_bytes > Environment::kPartSize) {
    return -EINVAL;
  }
  ElementAttr attr = {static_cast<uint32_t>(map->number()), 0, Address(area), 0,
                      static_cast<uint64_t>(arguments.Integer(1))};
  if (command != kMapDelete) attr.value = Address(area + Environment::kPartSize);
  return Bpf(command, &attr, sizeof attr);
}

// map, command, position, next position, keys, values, count, element flags
int64_t Batch(const Arguments& arguments) {
  const int64_t command = arguments.Integer(1);
  const Descriptor* map = arguments.Map();
  if (map == nullptr) return -EBADF;
  if (command < kMapLookupBatch || command > kMapDeleteBatch) return -EINVAL;
  const bool walks = command == kMapLookupBatch || command == kMapLookupAndDeleteBatch;
  const MapShape& shape = map->shape;
  const uint64_t value_bytes = shape.ValueBytes(arguments.environment.possible_cpus);
  const size_t position_size = std::max<size_t>(kBucketSize, shape.key_size);
  Bytes position, next, keys, values;
  uint32_t* count = nullptr;
  if (!arguments.GetBytes(2, &position) || !arguments.GetBytes(3, &next) || !arguments.GetBytes(4, &keys) ||
      !arguments.GetBytes(5, &values) || !arguments.GetArray(6, napi_uint32_array, 1, &count)) {
    return -EINVAL;
  }
  const uint64_t wanted = *count;
  // The products fit: a count and a key size have 32 bits each; values are divided instead.
  if (shape.key_size == 0 || keys.size < wanted * shape.key_size ||
      (command != kMapDeleteBatch && (value_bytes == 0 || values.size / value_bytes < wanted)) ||
      (walks && (next.size < position_size || (!position.absent && position.size < position_size))) ||
      (command == kMapUpdateBatch && shape.HoldsDescriptors())) {
    return -EINVAL;
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
  return result;
}

// map, Uint32Array that takes the MapShape; the bytes of one value
int64_t Shape(const Arguments& arguments) {
  const Descriptor* map = arguments.Map();
  uint32_t* words = nullptr;
  if (map == nullptr) return -EBADF;
  if (!arguments.GetArray(1, napi_uint32_array, sizeof map->shape / 4, &words)) return -EINVAL;
  memcpy(words, &map->shape, sizeof map->shape);
  return static_cast<int64_t>(map->shape.ValueBytes(arguments.environment.possible_cpus));
}

}  // namespace

const Entries kMapEntries = {
    {"mapLookup", Calls<Element<kMapLookup>>},
    {"mapLookupShort", Calls<ShortElement<kMapLookup>>},
    {"mapUpdateShort", Calls<ShortElement<kMapUpdate>>},
    {"mapDeleteShort", Calls<ShortElement<kMapDelete>>},
    {"mapLookupAndDelete", Calls<Element<kMapLookupAndDelete>>},
    {"mapUpdate", Calls<Element<kMapUpdate>>},
    {"mapDelete", Calls<Element<kMapDelete>>},
    {"mapNextKey", Calls<Element<kMapNextKey>>},
    {"mapBatch", Calls<Batch>},
    {"mapShape", Calls<Shape>},
};

}  // namespace ebpf
