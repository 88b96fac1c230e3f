#include "type_index.h"

#include <cstring>

namespace ebpf {

namespace {

// struct btf_header of include/uapi/linux/btf.h: magic, version and flags, then these, then offsets and lengths from
// the end of the header.
constexpr uint16_t kMagic = 0xeb9f;
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderSize = 24;
// Of a record: name, info, size or type.
constexpr size_t kRecordWords = 3;
constexpr uint32_t kKinds = 128;
constexpr uint32_t kHashFactor = 0x9e3779b1;

// Of a name, and by how many bytes it is looked at. In the kernel few types' names are
// alike so far.
constexpr size_t kHashedLength = 24;
constexpr size_t kChunks = kHashedLength / sizeof(uint64_t);

struct Span {
  const uint8_t* data;
  size_t size;
};

uint32_t WordAt(const uint8_t* data) {
  uint32_t word;
  memcpy(&word, data, sizeof word);
  return word;
}

// The part of `btf` whose offset and length are `at` bytes into the header; false when it is not within.
bool ReadPart(Span btf, size_t at, Span* part) {
  const uint64_t header = WordAt(btf.data + 4);
  const uint64_t offset = header + WordAt(btf.data + at);
  const uint64_t length = WordAt(btf.data + at + 4);
  if (header < kHeaderSize || offset + length > btf.size) return false;
  *part = {btf.data + offset, static_cast<size_t>(length)};
  return true;
}

bool ReadHeader(Span btf, Span* types, Span* strings) {
  uint16_t magic;
  if (btf.size < kHeaderSize) return false;
  memcpy(&magic, btf.data, sizeof magic);
  return magic == kMagic && btf.data[2] == kVersion && btf.data[3] == 0 && ReadPart(btf, 8, types) &&
         ReadPart(btf, 16, strings) && types->size % 4 == 0 && strings->size > 0 &&
         strings->data[strings->size - 1] == 0;
}

// Eight bytes, the first of them the least significant.
uint64_t ChunkAt(const uint8_t* data) {
  uint64_t chunk;
  memcpy(&chunk, data, sizeof chunk);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  chunk = __builtin_bswap64(chunk);
#endif
  return chunk;
}

// The highest bit of each byte that is zero.
uint64_t ZeroBytes(uint64_t chunk) {
  constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7f;
  return ~(((chunk & kLow) + kLow) | chunk | kLow);
}

// The lowest bit of each byte that is an underscore.
uint64_t Underscores(uint64_t chunk) { return ZeroBytes(chunk ^ 0x5f5f5f5f5f5f5f5f) >> 7; }

uint64_t FirstBytes(uint64_t chunk, int count) {
  if (count >= 8) return chunk;
  return count <= 0 ? 0 : chunk & ((uint64_t{1} << (8 * count)) - 1);
}

// What lib/btf/name-hash.ts gives for the name at `from`, and says why. Without branches that depend on the name: to
// predict one of them wrongly takes as long as all the rest.
uint32_t HashName(Span strings, size_t from) {
  uint8_t rest[kHashedLength] = {};
  const uint8_t* name = strings.data + from;
  if (strings.size - from < kHashedLength) name = static_cast<uint8_t*>(memcpy(rest, name, strings.size - from));
  uint64_t chunks[kChunks];
  uint64_t all = ~uint64_t{0};
  uint32_t underscores = 0;
  for (size_t index = 0; index < kChunks; index++) {
    const uint64_t chunk = ChunkAt(name + 8 * index);
    const uint64_t zeros = ZeroBytes(chunk);
    // The bytes before the first NUL; all of them are the bits below 0 - 1.
    const uint64_t own = chunk & all & (((zeros & (0 - zeros)) >> 7) - 1);
    const uint64_t marks = Underscores(own);
    chunks[index] = own ^ marks * 0x5f;
    // A bit for each of the eight bytes.
    underscores |= static_cast<uint32_t>(marks * 0x0102040810204080 >> 56) << (8 * index);
    all = zeros == 0 ? all : 0;
  }
  if (const uint32_t three = underscores & underscores >> 1 & underscores >> 2) {
    for (size_t index = 0; index < kChunks; index++) {
      chunks[index] = FirstBytes(chunks[index], __builtin_ctz(three) - 8 * static_cast<int>(index));
    }
  }
  uint32_t hash = 0;
  uint32_t factor = kHashFactor;
  for (const uint64_t chunk : chunks) {
    hash ^= static_cast<uint32_t>(chunk) * factor;
    factor += 2 * kHashFactor;
    hash ^= static_cast<uint32_t>(chunk >> 32) * factor;
    factor += 2 * kHashFactor;
  }
  return hash;
}

}  // namespace

void IndexTypes(const uint8_t* data, size_t size, uint32_t* words, size_t length) {
  Span types;
  Span strings;
  if (length < 2 * kKinds || !ReadHeader({data, size}, &types, &strings)) return;
  // By kind, the bytes of a record and of each of its items. No type is of kind 0: its two are the number of types,
  // which comes last, and that of buckets.
  const uint32_t* sizes = words;
  const uint32_t buckets = words[1];
  if (buckets < 2 || (buckets & (buckets - 1)) != 0 || buckets > length - 2 * kKinds) return;
  const auto shift = static_cast<uint32_t>(__builtin_clz(buckets)) + 1;
  uint32_t* heads = words + 2 * kKinds;
  uint32_t* offsets = heads + buckets;
  const size_t room = (length - 2 * kKinds - buckets) / 2;
  uint32_t* next = offsets + room;

  size_t count = 0;
  size_t at = 0;
  for (; at + 4 * kRecordWords <= types.size; count++) {
    const uint32_t info = WordAt(types.data + at + 4);
    const uint32_t kind = info >> 24 & (kKinds - 1);
    if (kind == 0 || sizes[2 * kind] == 0 || count == room) return;
    offsets[count] = static_cast<uint32_t>(at / 4);
    // A name offset of 0 is no name, and one outside the strings names nothing.
    const uint32_t name = WordAt(types.data + at);
    if (name != 0 && name < strings.size) {
      const uint32_t bucket = HashName(strings, name) >> shift;
      next[count] = heads[bucket];
      heads[bucket] = static_cast<uint32_t>(count + 1);
    }
    at += sizes[2 * kind] + static_cast<size_t>(sizes[2 * kind + 1]) * (info & 0xffffff);
  }
  if (at == types.size) words[0] = static_cast<uint32_t>(count);
}

}  // namespace ebpf
