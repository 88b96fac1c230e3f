#include "call.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arguments.h"
#include "entries.h"

namespace ebpf {

namespace {

constexpr uint8_t kToKernel = 1;
constexpr uint8_t kFromKernel = 2;

// A signal that arrives while the verifier works ends it with EAGAIN (bpf_check in kernel/bpf/verifier.c).
constexpr int kLoadAttempts = 5;

constexpr uint32_t kQueryBpf = 0xc008240a;  // PERF_EVENT_IOC_QUERY_BPF, which writes as much as its argument says

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
  char target[64] = {};
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  if (readlink(path, target, sizeof target - 1) <= 0) return Kind::kOther;
  if (strcmp(target, "anon_inode:bpf-map") == 0) return Kind::kMap;
  if (strcmp(target, "anon_inode:bpf-prog") == 0) return Kind::kProgram;
  return strncmp(target, "anon_inode:bpf", 14) == 0 && strstr(target, "link") != nullptr ? Kind::kLink : Kind::kOther;
}

}  // namespace

Call::~Call() {
  for (Descriptor* descriptor : used_) descriptor->EndUse();
  if (work_ != nullptr) napi_delete_async_work(env_, work_);
  if (buffers_ != nullptr) napi_delete_reference(env_, buffers_);
  if (completion_ != nullptr) napi_delete_reference(env_, completion_);
  environment_.CallEnded();
}

int Call::AddBlock(napi_value buffer, uint8_t direction) {
  Bytes bytes;
  if (!ReadBytes(env_, buffer, &bytes) || bytes.absent) return -EINVAL;
  // What the kernel only writes starts as zeros: untouched pages of a large log cost nothing.
  auto* copy = static_cast<uint8_t*>(calloc(bytes.size == 0 ? 1 : bytes.size, 1));
  if (copy == nullptr) return -ENOMEM;
  if ((direction & kToKernel) != 0 && bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
  blocks_.push_back({std::unique_ptr<uint8_t, Free>(copy), bytes.size, direction});
  return 0;
}

int Call::Write(double holder, double offset, const void* value, size_t size) {
  if (!(holder >= 0 && holder < static_cast<double>(blocks_.size()))) return -EINVAL;
  const Block& block = blocks_[static_cast<size_t>(holder)];
  if (!(offset >= 0 && offset + static_cast<double>(size) <= static_cast<double>(block.size))) return -EINVAL;
  uint8_t* place = block.data.get() + static_cast<size_t>(offset);
  memcpy(place, value, size);
  patches_.push_back({place, size});
  return 0;
}

int Call::Use(int64_t token, Kind kind, int* number) {
  Descriptor* found = environment_.table.FindDescriptor(token, kind);
  if (found == nullptr) return -EBADF;
  found->Use();
  used_.push_back(found);
  *number = found->number();
  return 0;
}

int Call::PrepareBpf(uint32_t command, napi_value buffers, napi_value directions, napi_value patches) {
  uint32_t count = 0;
  Bytes ways;
  if (command > kLastCommand || IsElementCommand(command) || napi_get_array_length(env_, buffers, &count) != napi_ok ||
      !ReadBytes(env_, directions, &ways) || count == 0 || ways.size != count) {
    return -EINVAL;
  }
  command_ = command;
  returned_ = ReturnedKind(command);
  for (uint32_t index = 0; index < count; index++) {
    napi_value buffer = nullptr;
    if (napi_get_element(env_, buffers, index, &buffer) != napi_ok) return -EINVAL;
    if (const int error = AddBlock(buffer, ways.data[index])) return error;
  }
  // Quadruples: holder, offset, size, and the buffer (size 8) or token (size 4) whose address or descriptor goes there.
  double* numbers = nullptr;
  size_t length = 0;
  if (!ReadArray(env_, patches, napi_float64_array, &numbers, &length) || length % 4 != 0) return -EINVAL;
  for (const double* patch = numbers; patch < numbers + length; patch += 4) {
    int error = -EINVAL;
    if (patch[2] == sizeof(uint64_t) && patch[3] >= 0 && patch[3] < count) {
      const uint64_t address = Address(blocks_[static_cast<size_t>(patch[3])].data.get());
      error = Write(patch[0], patch[1], &address, sizeof address);
    } else if (patch[2] == sizeof(int)) {
      int number = -1;
      error = Use(patch[3] >= 0 && patch[3] < 0x1p53 ? static_cast<int64_t>(patch[3]) : -1, Kind::kNone, &number);
      if (error == 0) error = Write(patch[0], patch[1], &number, sizeof number);
    }
    if (error != 0) return error;
  }
  return 0;
}

int Call::PreparePerfEventOpen(napi_value attr, int64_t pid, int64_t cpu, int64_t group, int64_t flags) {
  operation_ = Operation::kPerfEventOpen;
  returned_ = Kind::kPerfEvent;
  if (const int error = AddBlock(attr, kToKernel)) return error;
  uint32_t stated = 0;  // attr.size, by which the kernel reads
  if (blocks_[0].size < 8) return -EINVAL;
  memcpy(&stated, blocks_[0].data.get() + 4, sizeof stated);
  if (stated > blocks_[0].size) return -EINVAL;
  int leader = -1;
  if (const int error = group < 0 ? 0 : Use(group, Kind::kPerfEvent, &leader)) return error;
  numbers_[0] = pid;
  numbers_[1] = cpu;
  numbers_[2] = leader;
  numbers_[3] = flags;
  return 0;
}

int Call::PrepareControl(int64_t event, uint32_t request, napi_value argument, int64_t token) {
  operation_ = Operation::kControl;
  command_ = request;
  int number = -1;
  if (const int error = Use(event, Kind::kPerfEvent, &number)) return error;
  numbers_[0] = number;
  if (request == kQueryBpf) return -EINVAL;
  // The request's number says whether it takes an address (the size of one) or a number.
  if (((request >> 16) & 0x3fff) == sizeof(void*)) {
    if (const int error = AddBlock(argument, kToKernel | kFromKernel)) return error;
    const Block& block = blocks_[0];
    // Eight bytes, or a filter, which is text.
    if (block.size != 8 && memchr(block.data.get(), 0, block.size) == nullptr) return -EINVAL;
    numbers_[1] = static_cast<int64_t>(Address(block.data.get()));
    return 0;
  }
  if (napi_get_value_int64(env_, argument, &numbers_[1]) == napi_ok) return 0;
  const int error = Use(token, Kind::kNone, &number);
  numbers_[1] = number;
  return error;
}

void Call::Run() {
  int result = 0;
  switch (operation_) {
    case Operation::kBpf:
      RunBpf();
      break;
    case Operation::kPerfEventOpen:
      result_ = AboveStandard(PerfEventOpen(blocks_[0].data.get(), static_cast<int>(numbers_[0]),
                                            static_cast<int>(numbers_[1]), static_cast<int>(numbers_[2]),
                                            static_cast<uint64_t>(numbers_[3])));
      break;
    case Operation::kControl:
      result = ioctl(static_cast<int>(numbers_[0]), command_, numbers_[1]);
      result_ = result < 0 ? -errno : result;
      break;
    case Operation::kDestroy:
      delete doomed_;
      break;
  }
}

void Call::RunBpf() {
  for (int attempt = 0; attempt < kLoadAttempts; attempt++) {
    result_ = Bpf(command_, blocks_[0].data.get(), blocks_[0].size);
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

int64_t Call::Finish(napi_value buffers) {
  for (const Patch& patch : patches_) memset(patch.place, 0, patch.size);
  for (Descriptor* descriptor : used_) descriptor->EndUse();
  used_.clear();
  if (returned_ != Kind::kNone && result_ >= 0) {
    result_ = environment_.Adopt(returned_, static_cast<int>(result_), shape_);
  }
  for (uint32_t index = 0; buffers != nullptr && index < blocks_.size(); index++) {
    const Block& block = blocks_[index];
    napi_value value = nullptr;
    Bytes bytes;
    if ((block.direction & kFromKernel) == 0 || napi_get_element(env_, buffers, index, &value) != napi_ok) continue;
    // JavaScript may have detached or shrunk its buffer meanwhile.
    if (ReadBytes(env_, value, &bytes) && bytes.size == block.size && block.size > 0) {
      memcpy(bytes.data, block.data.get(), block.size);
    }
  }
  return result_;
}

int Call::Detach(napi_value buffers, napi_value completion) {
  napi_value name = nullptr;
  if ((buffers != nullptr && napi_create_reference(env_, buffers, 1, &buffers_) != napi_ok) ||
      napi_create_reference(env_, completion, 1, &completion_) != napi_ok ||
      napi_create_string_latin1(env_, "node-ebpf", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env_, nullptr, name, Execute, Complete, this, &work_) != napi_ok) {
    return -ENOMEM;
  }
  return 0;
}

int Call::Queue() {
  if (napi_queue_async_work(env_, work_) == napi_ok) return 0;
  delete this;
  return -EAGAIN;
}

void Call::QueueDestroy(Descriptor* descriptor) {
  operation_ = Operation::kDestroy;
  doomed_ = descriptor;
  if (napi_queue_async_work(env_, work_) == napi_ok) return;
  Run();
  Complete(env_, napi_ok, this);
}

void Call::Execute(napi_env /*env*/, void* self) { static_cast<Call*>(self)->Run(); }

void Call::Complete(napi_env env, napi_status /*status*/, void* self) {
  const std::unique_ptr<Call> call(static_cast<Call*>(self));
  napi_value buffers = nullptr;
  napi_value completion = nullptr;
  napi_value receiver = nullptr;
  napi_value result = nullptr;
  if (call->buffers_ != nullptr) napi_get_reference_value(env, call->buffers_, &buffers);
  napi_get_reference_value(env, call->completion_, &completion);
  // Whatever JavaScript still does, the descriptor that came is in the table now, or closed.
  napi_create_int64(env, call->Finish(buffers), &result);
  if (completion == nullptr || result == nullptr || napi_get_undefined(env, &receiver) != napi_ok) return;
  napi_call_function(env, receiver, completion, 1, &result, nullptr);
}

namespace {

// A function whose last argument is the completion; without one it runs its call at once.
template <size_t Count>
class CallEntry : public Arguments<Count> {
 public:
  CallEntry(napi_env env, napi_callback_info info)
      : Arguments<Count>(env, info),
        completion_(this->Function(Count - 1)),
        call_(new(std::nothrow) Call(env, this->environment())) {}

  Call* operator->() const { return call_.get(); }
  bool failed() const { return call_ == nullptr; }

  // `prepared` is 0 or -errno; `buffers` what the kernel's bytes go back to.
  napi_value Start(int prepared, napi_value buffers) {
    if (prepared != 0) return this->Return(prepared);
    if (completion_ == nullptr) {
      call_->Run();
      return this->Return(call_->Finish(buffers));
    }
    if (const int error = call_->Detach(buffers, completion_)) return this->Return(error);
    return this->Return(call_.release()->Queue());
  }

 private:
  napi_value completion_;
  std::unique_ptr<Call> call_;
};

// command, buffers (the attributes first), directions, patches, completion
napi_value BpfEntry(napi_env env, napi_callback_info info) {
  CallEntry<5> entry(env, info);
  if (entry.failed()) return entry.Return(-ENOMEM);
  return entry.Start(entry->PrepareBpf(static_cast<uint32_t>(entry.Integer(0)), entry[1], entry[2], entry[3]),
                     entry[1]);
}

// attributes, process, CPU, group, flags, completion
napi_value PerfEventOpenEntry(napi_env env, napi_callback_info info) {
  CallEntry<6> entry(env, info);
  if (entry.failed()) return entry.Return(-ENOMEM);
  return entry.Start(
      entry->PreparePerfEventOpen(entry[0], entry.Integer(1), entry.Integer(2), entry.Integer(3), entry.Integer(4)),
      nullptr);
}

// event, request, array of the argument, token, completion
napi_value PerfEventControlEntry(napi_env env, napi_callback_info info) {
  CallEntry<5> entry(env, info);
  napi_value argument = nullptr;
  if (entry.failed()) return entry.Return(-ENOMEM);
  if (napi_get_element(env, entry[2], 0, &argument) != napi_ok) return entry.Return(-EINVAL);
  return entry.Start(
      entry->PrepareControl(entry.Integer(0), static_cast<uint32_t>(entry.Integer(1)), argument, entry.Integer(3)),
      entry[2]);
}

// token, completion
napi_value CloseEntry(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Environment& environment = arguments.environment();
  napi_value completion = arguments.Function(1);
  Resource* resource = environment.table.Remove(arguments.Integer(0));
  if (resource == nullptr) return arguments.Return(-EBADF);
  if (completion != nullptr && resource->kind() < Kind::kMapping) {
    std::unique_ptr<Call> call(new (std::nothrow) Call(env, environment));
    if (call != nullptr && call->Detach(nullptr, completion) == 0) {
      static_cast<Descriptor*>(resource)->Close(call.release());
      return arguments.Return(0);
    }
  }
  // Rings and mappings end on this thread. A positive result: done, and no completion will follow.
  environment.Destroy(resource);
  return arguments.Return(completion == nullptr ? 0 : 1);
}

// token
napi_value KindEntry(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const Resource* resource = arguments.environment().table.Find(arguments.Integer(0));
  return arguments.Return(resource == nullptr ? -EBADF : static_cast<int64_t>(resource->kind()));
}

}  // namespace

const Entry kCallEntries[] = {
    {"bpf", BpfEntry},
    {"perfEventOpen", PerfEventOpenEntry},
    {"perfEventControl", PerfEventControlEntry},
    {"close", CloseEntry},
    {"kind", KindEntry},
    {nullptr, nullptr},
};

}  // namespace ebpf
