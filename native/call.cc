#include "call.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ebpf {

namespace {

constexpr uint8_t kToKernel = 1;
constexpr uint8_t kFromKernel = 2;

// A signal that arrives while the verifier works ends it with EAGAIN (bpf_check in kernel/bpf/verifier.c).
constexpr int kLoadAttempts = 5;

// Their attributes hold addresses whose sizes only the map knows; map_operations.cc has them.
bool IsElementCommand(uint32_t command) {
  return (command >= kMapLookup && command <= kMapNextKey) || command == kMapLookupAndDelete ||
         (command >= kMapLookupBatch && command <= kMapDeleteBatch);
}

// What a command's result is a descriptor of; kNone when it is a number.
Kind ReturnedKind(uint32_t command) {
  switch (command) {
    case kMapCreate:
    case kMapById:
      return Kind::kMap;
    case kProgramLoad:
    case kProgramById:
      return Kind::kProgram;
    case kRawTracepointOpen:
    case kLinkCreate:
    case kLinkById:
      return Kind::kLink;
    case kBtfLoad:
    case kBtfById:
      return Kind::kBtf;
    case kIteratorCreate:
      return Kind::kIterator;
    case kObjectGet:
    case kEnableStatistics:
    case kTokenCreate:
      return Kind::kOther;
    default:
      return Kind::kNone;
  }
}

// BPF_OBJ_GET does not say what it opened; the name of the descriptor's inode does (kernel/bpf/syscall.c).
Kind Identify(int descriptor) {
  char path[64];
  char target[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(path, target, sizeof target - 1);
  if (length <= 0) return Kind::kOther;
  target[length] = '\0';
  if (strcmp(target, "anon_inode:bpf-map") == 0) return Kind::kMap;
  if (strcmp(target, "anon_inode:bpf-prog") == 0) return Kind::kProgram;
  if (strcmp(target, "anon_inode:bpf_link") == 0 || strcmp(target, "anon_inode:bpf-link") == 0) return Kind::kLink;
  return Kind::kOther;
}

enum class ControlArgument : uint8_t { kRefused, kNumber, kDescriptor, kPeriod, kText };

// include/uapi/linux/perf_event.h. Requests that make the kernel write more than a caller states are not among them.
ControlArgument ArgumentOf(uint32_t request) {
  switch (request) {
    case 0x2400:      // ENABLE
    case 0x2401:      // DISABLE
    case 0x2402:      // REFRESH
    case 0x2403:      // RESET
    case 0x40042409:  // PAUSE_OUTPUT
      return ControlArgument::kNumber;
    case 0x2405:      // SET_OUTPUT
    case 0x40042408:  // SET_BPF
      return ControlArgument::kDescriptor;
    case 0x40082404:  // PERIOD
    case 0x80082407:  // ID
      return ControlArgument::kPeriod;
    case 0x40082406:  // SET_FILTER
      return ControlArgument::kText;
    default:
      return ControlArgument::kRefused;
  }
}

}  // namespace

Call::~Call() {
  for (Descriptor* descriptor : used_) descriptor->EndUse();  // when preparing it failed half way
  for (const Block& block : blocks_) {
    if (block.owned) free(block.data);
  }
}

int Call::CopyAttr(napi_env env, napi_value attr) {
  Bytes bytes;
  if (!ReadBytes(env, attr, &bytes) || bytes.absent || bytes.size > kLargestAttr) return -EINVAL;
  memcpy(attr_, bytes.data, bytes.size);
  attr_size_ = bytes.size;
  return 0;
}

int Call::TakeBuffers(napi_env env, napi_value buffers, napi_value directions) {
  uint32_t count = 0;
  if (napi_get_array_length(env, buffers, &count) != napi_ok || count > 64) return -EINVAL;
  // All elements first: reading one may run JavaScript, and that may move what was read before.
  std::vector<napi_value> values(count);
  for (uint32_t index = 0; index < count; index++) {
    if (napi_get_element(env, buffers, index, &values[index]) != napi_ok) return -EINVAL;
  }
  Bytes ways;
  if (!ReadBytes(env, directions, &ways) || ways.size != count) return -EINVAL;
  for (uint32_t index = 0; index < count; index++) {
    Bytes bytes;
    if (!ReadBytes(env, values[index], &bytes) || bytes.absent) return -EINVAL;
    blocks_.push_back({bytes.data, bytes.size, ways.data[index], false});
    if (const int error = detached_ ? Own(&blocks_.back()) : 0) return error;
  }
  return 0;
}

int Call::Own(Block* block) {
  if (block->owned) return 0;
  auto* copy = static_cast<uint8_t*>(calloc(block->size == 0 ? 1 : block->size, 1));
  if (copy == nullptr) return -ENOMEM;
  if ((block->direction & kToKernel) != 0 && block->size > 0) memcpy(copy, block->data, block->size);
  block->data = copy;
  block->owned = true;
  return 0;
}

uint8_t* Call::Place(int64_t holder, int64_t offset, size_t size) {
  uint8_t* data = attr_;
  size_t available = attr_size_;
  if (holder >= 0) {
    if (static_cast<uint64_t>(holder) >= blocks_.size()) return nullptr;
    const Block& block = blocks_[static_cast<size_t>(holder)];
    data = block.data;
    available = block.size;
  } else if (holder != -1) {
    return nullptr;
  }
  if (offset < 0 || available < size || static_cast<uint64_t>(offset) > available - size) return nullptr;
  return data + offset;
}

void Call::Write(uint8_t* place, const void* value, uint8_t size) {
  Patch patch = {place, 0, size};
  memcpy(&patch.saved, place, size);
  patches_.push_back(patch);
  memcpy(place, value, size);
}

int Call::Use(int64_t token, Kind kind, Descriptor** descriptor) {
  Descriptor* found = environment_.table.FindDescriptor(token, kind);
  if (found == nullptr) return -EBADF;
  found->Use();
  used_.push_back(found);
  *descriptor = found;
  return 0;
}

int Call::PrepareBpf(napi_env env, uint32_t command, napi_value attr, napi_value buffers, napi_value directions,
                     napi_value pointers, napi_value tokens) {
  if (command > kLastCommand || IsElementCommand(command)) return -EINVAL;
  operation_ = Operation::kBpf;
  command_ = command;
  returned_ = ReturnedKind(command);
  if (const int error = TakeBuffers(env, buffers, directions)) return error;
  if (const int error = CopyAttr(env, attr)) return error;

  int32_t* addresses = nullptr;
  double* descriptors = nullptr;
  size_t address_count = 0;
  size_t descriptor_count = 0;
  if (!ReadArray(env, pointers, napi_int32_array, &addresses, &address_count) || address_count % 3 != 0 ||
      !ReadArray(env, tokens, napi_float64_array, &descriptors, &descriptor_count) || descriptor_count % 3 != 0) {
    return -EINVAL;
  }
  // Every holder is owned before an address is taken: owning moves a block.
  for (size_t index = 0; index < address_count; index += 3) {
    const int32_t holder = addresses[index];
    if (holder < 0) continue;
    if (static_cast<size_t>(holder) >= blocks_.size()) return -EINVAL;
    if (const int error = Own(&blocks_[static_cast<size_t>(holder)])) return error;
  }
  for (size_t index = 0; index < descriptor_count; index += 3) {
    const double holder = descriptors[index];
    if (!(holder >= 0)) continue;
    if (!(holder < static_cast<double>(blocks_.size()))) return -EINVAL;
    if (const int error = Own(&blocks_[static_cast<size_t>(holder)])) return error;
  }
  for (size_t index = 0; index < address_count; index += 3) {
    uint8_t* place = Place(addresses[index], addresses[index + 1], sizeof(uint64_t));
    const int32_t target = addresses[index + 2];
    if (place == nullptr || target < 0 || static_cast<size_t>(target) >= blocks_.size()) return -EINVAL;
    const uint64_t address = Address(blocks_[static_cast<size_t>(target)].data);
    Write(place, &address, sizeof address);
  }
  for (size_t index = 0; index < descriptor_count; index += 3) {
    const double* triple = descriptors + index;
    if (!(triple[0] >= -1 && triple[1] >= 0 && triple[1] <= UINT32_MAX && triple[2] >= 0 && triple[2] < 0x1p53)) {
      return triple[2] < 0 ? -EBADF : -EINVAL;
    }
    uint8_t* place = Place(static_cast<int64_t>(triple[0]), static_cast<int64_t>(triple[1]), sizeof(int32_t));
    if (place == nullptr) return -EINVAL;
    Descriptor* descriptor = nullptr;
    if (const int error = Use(static_cast<int64_t>(triple[2]), Kind::kNone, &descriptor)) return error;
    const int32_t number = descriptor->number();
    Write(place, &number, sizeof number);
  }
  return 0;
}

int Call::PreparePerfEventOpen(napi_env env, napi_value attr, int64_t pid, int64_t cpu, int64_t group, int64_t flags) {
  operation_ = Operation::kPerfEventOpen;
  returned_ = Kind::kPerfEvent;
  if (const int error = CopyAttr(env, attr)) return error;
  uint32_t stated = 0;  // attr.size, by which the kernel reads
  if (attr_size_ < 8) return -EINVAL;
  memcpy(&stated, attr_ + 4, sizeof stated);
  if (stated > attr_size_) return -EINVAL;
  Descriptor* leader = nullptr;
  if (group >= 0) {
    if (const int error = Use(group, Kind::kPerfEvent, &leader)) return error;
  }
  numbers_[0] = pid;
  numbers_[1] = cpu;
  numbers_[2] = leader == nullptr ? -1 : leader->number();
  numbers_[3] = flags;
  return 0;
}

int Call::PreparePerfEventControl(napi_env env, int64_t event, uint32_t request, napi_value argument, int64_t token) {
  operation_ = Operation::kControl;
  command_ = request;
  Descriptor* descriptor = nullptr;
  if (const int error = Use(event, Kind::kPerfEvent, &descriptor)) return error;
  numbers_[0] = descriptor->number();
  const ControlArgument wanted = ArgumentOf(request);
  switch (wanted) {
    case ControlArgument::kRefused:
      return -EINVAL;
    case ControlArgument::kNumber:
      return napi_get_value_int64(env, argument, &numbers_[1]) == napi_ok ? 0 : -EINVAL;
    case ControlArgument::kDescriptor: {
      Descriptor* other = nullptr;
      if (const int error = Use(token, Kind::kNone, &other)) return error;
      numbers_[1] = other->number();
      return 0;
    }
    case ControlArgument::kPeriod:
    case ControlArgument::kText:
      // The attributes' copy holds the argument: short texts and 8-byte numbers.
      if (const int error = CopyAttr(env, argument)) return error;
      if (wanted == ControlArgument::kPeriod ? attr_size_ != 8 : memchr(attr_, 0, attr_size_) == nullptr) return -EINVAL;
      numbers_[1] = static_cast<int64_t>(Address(attr_));
      return 0;
  }
  return -EINVAL;
}

void Call::PrepareDestroy(Descriptor* descriptor) {
  operation_ = Operation::kDestroy;
  doomed_ = descriptor;
}

void Call::Run() {
  switch (operation_) {
    case Operation::kBpf:
      RunBpf();
      break;
    case Operation::kPerfEventOpen:
      result_ = AboveStandard(PerfEventOpen(attr_, static_cast<int>(numbers_[0]), static_cast<int>(numbers_[1]),
                                            static_cast<int>(numbers_[2]), static_cast<uint64_t>(numbers_[3])));
      break;
    case Operation::kControl: {
      const int result = ioctl(static_cast<int>(numbers_[0]), command_, numbers_[1]);
      result_ = result < 0 ? -errno : result;
      break;
    }
    case Operation::kDestroy:
      delete doomed_;
      break;
  }
}

void Call::RunBpf() {
  for (int attempt = 0; attempt < kLoadAttempts; attempt++) {
    result_ = Bpf(command_, attr_, attr_size_);
    if (result_ != -EAGAIN || command_ != kProgramLoad) break;
  }
  if (result_ < 0 || returned_ == Kind::kNone) return;
  result_ = AboveStandard(static_cast<int>(result_));
  if (result_ < 0) return;
  const int descriptor = static_cast<int>(result_);
  if (command_ == kObjectGet) returned_ = Identify(descriptor);
  // A map whose sizes stay unknown keeps a shape of zeros, with which every operation on elements is refused.
  if (returned_ == Kind::kMap && LearnShape(descriptor, &shape_) < 0) shape_ = MapShape();
}

int64_t Call::Finish(napi_env env, napi_value attr, napi_value buffers) {
  for (Descriptor* descriptor : used_) descriptor->EndUse();
  used_.clear();
  for (size_t index = patches_.size(); index-- > 0;) {
    const Patch& patch = patches_[index];
    memcpy(patch.place, &patch.saved, patch.size);
  }
  patches_.clear();
  if (returned_ != Kind::kNone && result_ >= 0) {
    result_ = environment_.Adopt(returned_, static_cast<int>(result_), shape_);
  }
  Bytes bytes;
  if (attr != nullptr && ReadBytes(env, attr, &bytes) && bytes.size == attr_size_) memcpy(bytes.data, attr_, attr_size_);
  if (buffers == nullptr) return result_;
  for (size_t index = 0; index < blocks_.size(); index++) {
    const Block& block = blocks_[index];
    napi_value value = nullptr;
    if (!block.owned || (block.direction & kFromKernel) == 0 || block.size == 0) continue;
    if (napi_get_element(env, buffers, static_cast<uint32_t>(index), &value) != napi_ok) continue;
    if (ReadBytes(env, value, &bytes) && bytes.size == block.size) memcpy(bytes.data, block.data, block.size);
  }
  return result_;
}

}  // namespace ebpf
