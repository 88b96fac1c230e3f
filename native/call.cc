// One system call that may run off the event loop: bpf, perf_event_open, ioctl, and the close that ends an object.
//
// Lifetime rules:
//  1. A call works on copies of its buffers, since JavaScript may change or free its own meanwhile. Addresses and
//     descriptors stand in those copies only and are erased before anything is copied back: JavaScript sees none.
//  2. Each descriptor that a call names is in use (table.h, rule 2) from its preparation to `Finish`.
//  3. `Run` touches the call alone: no table, no environment, no Node-API. The rest is for the JavaScript thread.
//  4. A call that was queued deletes itself when it is over; one that was not belongs to the entry that made it.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

#include "arguments.h"
#include "entries.h"

namespace ebpf {

namespace {

constexpr uint8_t kToKernel = 1;
constexpr uint8_t kFromKernel = 2;

// A signal that arrives while the verifier works ends it with EAGAIN (bpf_check in kernel/bpf/verifier.c).
constexpr int kLoadAttempts = 5;

constexpr uint32_t kQueryBpf = 0xc008240a;  // PERF_EVENT_IOC_QUERY_BPF, which writes as much as its argument says

enum Operation : uint32_t { kBpf, kPerfEventOpen, kControl, kDestroy };

// What JavaScript lays out for the calls that take more than a pointer to attributes.
struct PerfEventArguments {
  int32_t process, cpu, group;
  uint64_t flags;
};
struct ControlArguments {
  int32_t event;
  uint64_t argument;
};

// Their attributes hold addresses whose sizes only the map knows; map_operations.cc has them.
bool IsElementCommand(uint32_t command) {
  return (command >= kMapLookup && command <= kMapNextKey) || command == kMapLookupAndDelete ||
         (command >= kMapLookupBatch && command <= kMapDeleteBatch);
}

// What a command's result is a descriptor of; kNone when it is a number.
Kind ReturnedKind(uint32_t command) {
  if (command == kMapCreate || command == kMapById) return Kind::kMap;
  if (command == kProgramLoad || command == kProgramById) return Kind::kProgram;
  if (command == kRawTracepointOpen || command == kLinkCreate || command == kLinkById) return Kind::kLink;
  if (command == kBtfLoad || command == kBtfById) return Kind::kBtf;
  if (command == kIteratorCreate) return Kind::kIterator;
  const bool other = command == kObjectGet || command == kEnableStatistics || command == kTokenCreate;
  return other ? Kind::kOther : Kind::kNone;
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

class Call final : public Descriptor::Destroyer {
 public:
  Call(napi_env env, Environment& environment) : env_(env), environment_(environment) { environment.CallStarted(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Quadruples of numbers are `patches`: lib/sys/addon.ts. 0 or -errno.
  int Prepare(uint32_t operation, uint32_t command, napi_value buffers, napi_value directions, napi_value patches);

  // Makes the call able to be queued: `completion` gets its result, the array `buffers` what the kernel wrote.
  int Detach(napi_value buffers, napi_value completion);
  // 0, or -errno when it did not start; then the call is deleted and `completion` is not called.
  int Queue();
  // Deletes `descriptor` off the event loop, and at once where that is impossible.
  void Take(Descriptor* descriptor) override;

  void Run();
  // Makes a token of a descriptor that the kernel returned, copies back to `buffers`; the result for JavaScript.
  int64_t Finish(napi_value buffers);

 private:
  struct Free {
    void operator()(uint8_t* data) const { free(data); }
  };
  struct Block {
    std::unique_ptr<uint8_t, Free> data;
    size_t size;
    uint8_t direction;
  };
  struct Place {
    uint8_t* data;
    size_t size;
  };

  int AddBlock(napi_value buffer, uint8_t direction);
  int Patch(const double* patch);
  int Check() const;
  template <typename Frame>
  Frame Read(size_t block) const {
    Frame frame = {};
    memcpy(&frame, blocks_[block].data.get(), std::min(sizeof frame, blocks_[block].size));
    return frame;
  }
  void RunBpf();

  static void Execute(napi_env env, void* self);
  static void Complete(napi_env env, napi_status status, void* self);

  const napi_env env_;
  Environment& environment_;
  uint32_t operation_ = kDestroy;
  uint32_t command_ = 0;
  int64_t result_ = -ECANCELED;  // should it never run
  Kind returned_ = Kind::kNone;
  MapShape shape_;
  Descriptor* doomed_ = nullptr;
  std::vector<Block> blocks_;
  std::vector<Place> places_;  // of addresses and descriptors
  std::vector<Descriptor*> used_;
  napi_async_work work_ = nullptr;
  napi_ref buffers_ = nullptr;
  napi_ref completion_ = nullptr;
};

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

int Call::Prepare(uint32_t operation, uint32_t command, napi_value buffers, napi_value directions, napi_value patches) {
  uint32_t count = 0;
  Bytes ways;
  double* numbers = nullptr;
  size_t length = 0;
  if (napi_get_array_length(env_, buffers, &count) != napi_ok || !ReadBytes(env_, directions, &ways) || count == 0 ||
      ways.size != count || !ReadArray(env_, patches, napi_float64_array, &numbers, &length) || length % 4 != 0) {
    return -EINVAL;
  }
  operation_ = operation;
  command_ = command;
  returned_ = operation == kBpf ? ReturnedKind(command) : operation == kPerfEventOpen ? Kind::kPerfEvent : Kind::kNone;
  for (uint32_t index = 0; index < count; index++) {
    napi_value buffer = nullptr;
    if (napi_get_element(env_, buffers, index, &buffer) != napi_ok) return -EINVAL;
    if (const int error = AddBlock(buffer, ways.data[index])) return error;
  }
  for (const double* patch = numbers; patch < numbers + length; patch += 4) {
    if (const int error = Patch(patch)) return error;
  }
  return Check();
}

// Holder, offset, size, and the buffer (size 8) or token (size 4) whose address or descriptor goes there.
int Call::Patch(const double* patch) {
  const double holder = patch[0], offset = patch[1], size = patch[2], what = patch[3];
  const auto blocks = static_cast<double>(blocks_.size());
  if (!(holder >= 0 && holder < blocks && offset >= 0)) return -EINVAL;
  const Block& block = blocks_[static_cast<size_t>(holder)];
  if (!(offset + size <= static_cast<double>(block.size))) return -EINVAL;
  const Place place = {block.data.get() + static_cast<size_t>(offset), static_cast<size_t>(size)};
  if (size == sizeof(uint64_t) && what >= 0 && what < blocks) {
    const uint64_t address = Address(blocks_[static_cast<size_t>(what)].data.get());
    memcpy(place.data, &address, sizeof address);
  } else if (size == sizeof(int)) {
    Descriptor* found =
        what >= 0 && what < 0x1p53 ? environment_.table.FindDescriptor(static_cast<int64_t>(what)) : nullptr;
    if (found == nullptr) return -EBADF;
    found->Use();
    used_.push_back(found);
    const int number = found->number();
    memcpy(place.data, &number, sizeof number);
  } else {
    return -EINVAL;
  }
  places_.push_back(place);
  return 0;
}

// That the kernel will read and write no more than what is there, as far as its attributes do not say so themselves.
int Call::Check() const {
  const bool on_event = !used_.empty() && used_[0]->kind() == Kind::kPerfEvent;
  if (operation_ == kBpf) return command_ > kLastCommand || IsElementCommand(command_) ? -EINVAL : 0;
  if (operation_ == kPerfEventOpen) {
    struct Attributes {
      uint32_t type, size;
    };
    // A size of zero means 64 bytes, those of the first kernel that had the call.
    const size_t needed = std::max<size_t>(64, Read<Attributes>(0).size);
    // A third is the text that the attributes refer to: a function or file.
    const size_t blocks = blocks_.size();
    const bool fits = (blocks == 2 || (blocks == 3 && memchr(blocks_[2].data.get(), 0, blocks_[2].size) != nullptr)) &&
                      blocks_[0].size >= needed;
    return fits && (used_.empty() || on_event) ? 0 : -EINVAL;
  }
  const bool first = on_event && places_[0].data == blocks_[0].data.get();
  if (operation_ != kControl || !first || command_ == kQueryBpf) return -EINVAL;
  // The request's number says whether it takes an address, by the size of one: of eight bytes, or of a filter's text.
  const bool by_address = ((command_ >> 16) & 0x3fff) == sizeof(void*);
  if (blocks_.size() != (by_address ? 2U : 1U)) return -EINVAL;
  const Block& argument = blocks_.back();
  return !by_address || argument.size == 8 || memchr(argument.data.get(), 0, argument.size) != nullptr ? 0 : -EINVAL;
}

void Call::Run() {
  if (operation_ == kBpf) {
    RunBpf();
  } else if (operation_ == kPerfEventOpen) {
    const auto frame = Read<PerfEventArguments>(1);
    result_ = AboveStandard(PerfEventOpen(blocks_[0].data.get(), frame.process, frame.cpu, frame.group, frame.flags));
  } else if (operation_ == kControl) {
    const auto frame = Read<ControlArguments>(0);
    const int result = ioctl(frame.event, command_, frame.argument);
    result_ = result < 0 ? -errno : result;
  } else {
    delete doomed_;
    result_ = 0;
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
  for (const Place& place : places_) memset(place.data, 0, place.size);
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

void Call::Take(Descriptor* descriptor) {
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

// operation, command, buffers, directions, patches, completion
napi_value CallEntry(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  napi_value buffers = arguments[2];
  napi_value completion = arguments.Function(5);
  std::unique_ptr<Call> call(new (std::nothrow) Call(env, arguments.environment()));
  if (call == nullptr) return arguments.Return(-ENOMEM);
  const int error = call->Prepare(static_cast<uint32_t>(arguments.Integer(0)),
                                  static_cast<uint32_t>(arguments.Integer(1)), buffers, arguments[3], arguments[4]);
  if (error != 0) return arguments.Return(error);
  if (completion == nullptr) {
    call->Run();
    return arguments.Return(call->Finish(buffers));
  }
  if (const int failed = call->Detach(buffers, completion)) return arguments.Return(failed);
  return arguments.Return(call.release()->Queue());
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
      static_cast<Descriptor*>(resource)->CloseBy(call.release());
      return arguments.Return(0);
    }
  }
  // Rings and mappings end on this thread. A positive result: done, and no completion will follow.
  resource->Close();
  return arguments.Return(completion == nullptr ? 0 : 1);
}

// token
napi_value KindEntry(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const Resource* resource = arguments.environment().table.Find(arguments.Integer(0));
  return arguments.Return(resource == nullptr ? -EBADF : static_cast<int64_t>(resource->kind()));
}

}  // namespace

const Entry kCallEntries[] = {{"call", CallEntry}, {"close", CloseEntry}, {"kind", KindEntry}, {nullptr, nullptr}};

}  // namespace ebpf
