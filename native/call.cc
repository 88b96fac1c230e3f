#include "call.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include "namespace.h"
#include "type_index.h"

namespace ebpf {

namespace {

// How a buffer that an address is put for travels; a patch of 0 is for a descriptor.
constexpr uint32_t kToKernel = 1;
constexpr uint32_t kFromKernel = 2;

// A signal that arrives while the verifier works ends it with EAGAIN (bpf_check in kernel/bpf/verifier.c).
constexpr int kLoadAttempts = 5;

// A file of sysfs that can be mapped, in one copy where read(2) has a page per call; -1 for others, and where there is
// no room. It is the kernel's BTF since Linux 6.16 (btf_sysfs_vmlinux_mmap in kernel/bpf/sysfs_btf.c). No one can
// shorten it meanwhile.
int64_t CopyMapped(int descriptor, uint8_t* data, size_t size) {
  struct statfs system;
  struct stat file;
  if (fstatfs(descriptor, &system) < 0 || system.f_type != SYSFS_MAGIC || fstat(descriptor, &file) < 0) return -1;
  const auto length = static_cast<size_t>(file.st_size);
  if (length == 0 || length > size) return -1;
  void* mapped = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (mapped == MAP_FAILED) return -1;
  memcpy(data, mapped, length);
  munmap(mapped, length);
  return static_cast<int64_t>(length);
}

}  // namespace

Kind Identify(int descriptor) {
  char path[64];
  char target[64] = {};
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  if (readlink(path, target, sizeof target - 1) <= 0) return Kind::kOther;
  if (strcmp(target, "anon_inode:bpf-map") == 0) return Kind::kMap;
  if (strcmp(target, "anon_inode:bpf-prog") == 0) return Kind::kProgram;
  return strncmp(target, "anon_inode:bpf", 14) == 0 && strstr(target, "link") != nullptr ? Kind::kLink : Kind::kOther;
}

void Descriptor::CloseBy(Call* closer) {
  if (shared) EndShares(this);
  closer_ = closer;
  EndUse();
}

void Descriptor::EndUse() {
  if (--uses_ > 0) return;
  Call* closer = closer_;
  const int number = closer == nullptr ? -1 : std::exchange(number_, -1);
  delete this;
  if (closer != nullptr) closer->Close(number);
}

Call::~Call() {
  for (Descriptor* descriptor : used_) descriptor->EndUse();
  if (work_ != nullptr) napi_delete_async_work(env_, work_);
  if (kept_buffers_ != nullptr) napi_delete_reference(env_, kept_buffers_);
  if (completion_ != nullptr) napi_delete_reference(env_, completion_);
  environment_.CallEnded();
}

int Call::AddBlock(uint32_t direction) {
  napi_value buffer = nullptr;
  Bytes bytes;
  if (napi_get_element(env_, buffers_, static_cast<uint32_t>(blocks_.size()), &buffer) != napi_ok ||
      !ReadBytes(env_, buffer, &bytes) || bytes.absent) {
    return -EINVAL;
  }
  // What the kernel only writes starts as zeros: untouched pages of a large log cost nothing.
  auto* copy = static_cast<uint8_t*>(calloc(std::max<size_t>(bytes.size, 1), 1));
  if (copy == nullptr) return -ENOMEM;
  if ((direction & kToKernel) != 0 && bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
  blocks_.push_back({{copy, free}, bytes.size, (direction & kFromKernel) != 0});
  return 0;
}

int Call::Copy(napi_value buffers, const Arguments& arguments, size_t patches) {
  double* numbers = nullptr;
  size_t length = 0;
  buffers_ = buffers;
  if (!arguments.GetArray(patches, napi_float64_array, 0, &numbers, &length) || length % 4 != 0) return -EINVAL;
  int error = AddBlock(kToKernel | kFromKernel);
  for (size_t index = 0; index < length && error == 0; index += 4) error = Patch(numbers + index);
  return error;
}

// Holder, offset, direction, token: there goes the address of the next buffer, or the descriptor without a direction.
int Call::Patch(const double* patch) {
  const double holder = patch[0], offset = patch[1], direction = patch[2], token = patch[3];
  const size_t size = direction == 0 ? sizeof(int) : sizeof(uint64_t);
  if (!(holder >= 0 && holder < static_cast<double>(blocks_.size()) && offset >= 0)) return -EINVAL;
  const Block& block = blocks_[static_cast<size_t>(holder)];
  if (!(offset + static_cast<double>(size) <= static_cast<double>(block.size))) return -EINVAL;
  uint8_t* place = block.data.get() + static_cast<size_t>(offset);
  if (direction == 0) {
    const int number = token >= 0 && token < 0x1p53 ? Use(static_cast<int64_t>(token)) : -EBADF;
    if (number < 0) return number;
    memcpy(place, &number, sizeof number);
  } else {
    if (!(direction > 0 && direction <= (kToKernel | kFromKernel))) return -EINVAL;
    if (const int error = AddBlock(static_cast<uint32_t>(direction))) return error;
    const uint64_t address = Address(blocks_.back().data.get());
    memcpy(place, &address, sizeof address);
  }
  places_.push_back({place, size});
  return 0;
}

bool Call::BeginsWithDescriptor(const Block& block) const {
  return std::any_of(places_.begin(), places_.end(), [&block](const Place& place) {
    return place.data == block.data.get() && place.size == sizeof(int);
  });
}

int Call::Use(int64_t token, Kind kind) {
  Descriptor* found = environment_.FindDescriptor(token, kind);
  if (found == nullptr) return -EBADF;
  found->Use();
  used_.push_back(found);
  return found->number();
}

int Call::Enter(int64_t token) {
  if (token == 0) return 0;
  namespace_ = Use(token, Kind::kOther);
  return namespace_ < 0 ? namespace_ : 0;
}

void Call::Run() {
  if (namespace_ < 0) return Make();
  const int error = InNetworkNamespace(namespace_, [](void* self) { static_cast<Call*>(self)->Make(); }, this);
  if (error < 0) result_ = error;
}

int Call::Fill(std::initializer_list<napi_value> kept, int descriptor, uint8_t* data, size_t size) {
  Set({static_cast<uint64_t>(descriptor), Address(data), size});
  if (napi_create_array_with_length(env_, kept.size(), &buffers_) != napi_ok) return -ENOMEM;
  uint32_t index = 0;
  for (const napi_value value : kept) napi_set_element(env_, buffers_, index++, value);
  return 0;
}

void Call::IndexBtf(uint32_t* words, size_t length) {
  index_ = words;
  index_length_ = length;
}

int64_t Call::ReadAll() const {
  auto* data = reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(words_[1]));
  const auto size = static_cast<size_t>(words_[2]);
  size_t done = 0;
  while (done < size) {
    const ssize_t count = read(static_cast<int>(words_[0]), data + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return static_cast<int64_t>(done);
}

void Call::Make() {
  if (number_ == SYS_read) {
    auto* data = reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(words_[1]));
    result_ = index_ == nullptr ? -1 : CopyMapped(static_cast<int>(words_[0]), data, words_[2]);
    if (result_ < 0) result_ = ReadAll();
    // Where there was no room left, there may be more of it.
    if (index_ != nullptr && result_ > 0 && static_cast<uint64_t>(result_) < words_[2]) {
      IndexTypes(data, static_cast<size_t>(result_), index_, index_length_);
    }
    return;
  }
  const bool load = number_ == SYS_bpf && words_[0] == kProgramLoad;
  for (int attempts = load ? kLoadAttempts : 1; attempts > 0; attempts--) {
    result_ = syscall(number_, words_[0], words_[1], words_[2], words_[3], words_[4]);
    if (result_ < 0) result_ = -errno;
    if (result_ != -EAGAIN) break;
  }
  if (result_ < 0 || returned_ == Kind::kNone) return;
  result_ = AboveStandard(static_cast<int>(result_));
  if (result_ < 0) return;
  const int descriptor = static_cast<int>(result_);
  if (number_ == SYS_bpf && words_[0] == kObjectGet) returned_ = Identify(descriptor);
  // A map whose sizes stay unknown keeps a shape of zeros, with which every operation on elements is refused.
  if (returned_ == Kind::kMap && LearnShape(descriptor, &shape_) < 0) shape_ = MapShape();
}

int64_t Call::Finish() {
  for (const Place& place : places_) memset(place.data, 0, place.size);
  for (Descriptor* descriptor : std::exchange(used_, {})) descriptor->EndUse();
  if (returned_ != Kind::kNone && result_ >= 0) {
    result_ = environment_.Adopt(returned_, static_cast<int>(result_), shape_);
  }
  for (uint32_t index = 0; buffers_ != nullptr && index < blocks_.size(); index++) {
    const Block& block = blocks_[index];
    napi_value value = nullptr;
    Bytes bytes;
    // JavaScript may have detached or shrunk its buffer meanwhile.
    if (block.returns && block.size > 0 && napi_get_element(env_, buffers_, index, &value) == napi_ok &&
        ReadBytes(env_, value, &bytes) && bytes.size == block.size) {
      memcpy(bytes.data, block.data.get(), block.size);
    }
  }
  return result_;
}

int64_t Call::Start(std::unique_ptr<Call> call, napi_value completion) {
  if (completion == nullptr) {
    call->Run();
    return call->Finish();
  }
  if (const int error = call->Detach(completion)) return error;
  Call* queued = call.release();
  if (napi_queue_async_work(queued->env_, queued->work_) == napi_ok) return 0;
  delete queued;
  return -EAGAIN;
}

int Call::Detach(napi_value completion) {
  napi_value name = nullptr;
  const bool kept = buffers_ == nullptr || napi_create_reference(env_, buffers_, 1, &kept_buffers_) == napi_ok;
  buffers_ = nullptr;
  return kept && napi_create_reference(env_, completion, 1, &completion_) == napi_ok &&
                 napi_create_string_latin1(env_, "node-ebpf", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                 napi_create_async_work(env_, nullptr, name, Execute, Complete, this, &work_) == napi_ok
             ? 0
             : -ENOMEM;
}

void Call::Close(int descriptor) {
  words_[0] = static_cast<uint64_t>(descriptor);
  if (napi_queue_async_work(env_, work_) == napi_ok) return;
  Run();
  Complete(env_, napi_ok, this);
}

void Call::Complete(napi_env env, napi_status /*status*/, void* self) {
  const std::unique_ptr<Call> call(static_cast<Call*>(self));
  napi_value completion = nullptr;
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  if (call->kept_buffers_ != nullptr) napi_get_reference_value(env, call->kept_buffers_, &call->buffers_);
  napi_get_reference_value(env, call->completion_, &completion);
  // Whatever JavaScript still does, the descriptor that came is in the table now, or closed.
  napi_create_int64(env, call->Finish(), &result);
  if (completion == nullptr || result == nullptr || napi_get_undefined(env, &receiver) != napi_ok) return;
  napi_call_function(env, receiver, completion, 1, &result, nullptr);
}

}  // namespace ebpf
