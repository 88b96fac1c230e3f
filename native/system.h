// The kernel as the addon sees it: the few numbers it must know itself, and the calls it makes.
//
// The numbers are UAPI (include/uapi/linux/bpf.h, perf_event.h) and never change. They stand here because the addon is
// built against old headers, so that one binary loads on every distribution.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ebpf {

// Commands of bpf(2).
inline constexpr uint32_t kMapCreate = 0, kMapLookup = 1, kMapUpdate = 2, kMapDelete = 3, kMapNextKey = 4,
                          kProgramLoad = 5, kObjectGet = 7, kProgramById = 13, kMapById = 14, kObjectInfo = 15,
                          kRawTracepointOpen = 17, kBtfLoad = 18, kBtfById = 19, kMapLookupAndDelete = 21,
                          kMapLookupBatch = 24, kMapLookupAndDeleteBatch = 25, kMapUpdateBatch = 26,
                          kMapDeleteBatch = 27, kLinkCreate = 28, kLinkById = 30, kEnableStatistics = 32,
                          kIteratorCreate = 33, kTokenCreate = 36, kLastCommand = 37;

// Map types whose values differ from their stated size, whose keys or values are descriptors, and the ring buffer.
inline constexpr uint32_t kProgramArray = 3, kPerfEventArray = 4, kPerCpuHash = 5, kPerCpuArray = 6, kCgroupArray = 8,
                          kLruPerCpuHash = 10, kArrayOfMaps = 12, kHashOfMaps = 13, kPerCpuCgroupStorage = 21,
                          kSocketStorage = 24, kRingBuffer = 27, kArena = 33, kInodeStorage = 28, kTaskStorage = 29,
                          kUserRingBuffer = 31, kCgroupLocalStorage = 32;

// A flag of arenas: touching a page that no program has allocated is a segmentation fault.
inline constexpr uint32_t kSegvOnFault = 1U << 17;

// union bpf_attr of the element commands.
struct ElementAttr {
  uint32_t map;
  uint32_t padding;
  uint64_t key;
  uint64_t value;  // or the next key
  uint64_t flags;
};

// union bpf_attr of the batch commands.
struct BatchAttr {
  uint64_t in_batch;
  uint64_t out_batch;
  uint64_t keys;
  uint64_t values;
  uint32_t count;
  uint32_t map;
  uint64_t element_flags;
  uint64_t flags;
};

// A map's sizes as the kernel reports them: it reads and writes by these, whatever an object or a caller claims.
struct MapShape {
  uint32_t type = 0;
  uint32_t id = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  uint32_t max_entries = 0;
  uint32_t flags = 0;

  // Bytes of one value in user space (bpf_map_value_size in kernel/bpf/syscall.c); 0 when that cannot be known.
  uint64_t ValueBytes(uint32_t possible_cpus) const;
  // Values are descriptors of other objects.
  bool HoldsDescriptors() const;
  // Keys are descriptors: of what has the value, a socket, file, process or cgroup.
  bool KeyIsDescriptor() const;
};

inline uint64_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// Each returns what the kernel returned, or -errno.
int Bpf(uint32_t command, void* attr, size_t size);
int LearnShape(int map, MapShape* shape);

// Moves a descriptor out of the range of standard input, output and error, where others would use it by mistake.
int AboveStandard(int descriptor);

// CPUs that the kernel may ever bring up; 0 when sysfs does not tell.
uint32_t PossibleCpus();

}  // namespace ebpf
