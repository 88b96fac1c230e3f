// One system call that may run off the event loop: bpf, perf_event_open, ioctl, and the close that ends an object.
//
// Lifetime rules:
//  1. A call works on copies of its buffers, since JavaScript may change or free its own meanwhile. Addresses and
//     descriptors stand in those copies only and are erased before anything is copied back: JavaScript sees none.
//  2. Each descriptor that a call names is in use (environment.h, rule 2) from its preparation to `Finish`.
//  3. `Run` touches the call alone: no table, no environment, no Node-API. The rest is for the JavaScript thread.
//  4. A call that was queued deletes itself when it is over; one that was not belongs to the entry that made it.

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "arguments.h"

namespace ebpf {

namespace {

// How a buffer that an address is put for travels; a patch of 0 is for a descriptor.
constexpr uint32_t kToKernel = 1;
constexpr uint32_t kFromKernel = 2;

// A signal that arrives while the verifier works ends it with EAGAIN (bpf_check in kernel/bpf/verifier.c).
constexpr int kLoadAttempts = 5;

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

}  // namespace

class Call {
 public:
  struct Block {
    std::unique_ptr<uint8_t, decltype(&free)> data;
    size_t size;
    bool returns;
  };

  Call(const Arguments& arguments, long number, Kind returned = Kind::kNone)
      : env_(arguments.env), environment_(arguments.environment), number_(number), returned_(returned) {
    environment_.CallStarted();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  // Copies the array `buffers`, of which the first is the attributes, and fills in its patches: lib/sys/addon.ts.
  int Copy(napi_value buffers, const Arguments& arguments, size_t patches);
  // The descriptor of a token, in use from now on, or -EBADF.
  int Use(int64_t token, Kind kind = Kind::kNone);
  void Set(const std::vector<uint64_t>& words) { std::copy(words.begin(), words.end(), words_); }
  const std::vector<Block>& blocks() const { return blocks_; }
  // Whether a token's descriptor was put at the beginning of `block`.
  bool BeginsWithDescriptor(const Block& block) const;

  // Runs it and returns its result, or queues it for `completion` to get that, and returns 0 or -errno.
  static int64_t Start(std::unique_ptr<Call> call, napi_value completion);
  // Makes the call able to be queued. 0 or -errno.
  int Detach(napi_value completion);
  // Closes `descriptor` off the event loop, and at once where that is impossible.
  void Close(int descriptor);

 private:
  struct Place {
    uint8_t* data;
    size_t size;
  };

  int AddBlock(uint32_t direction);
  int Patch(const double* patch);
  void Run();
  // Makes a token of a descriptor that the kernel returned, copies back to the buffers; the result for JavaScript.
  int64_t Finish();

  static void Execute(napi_env /*env*/, void* self) { static_cast<Call*>(self)->Run(); }
  static void Complete(napi_env env, napi_status status, void* self);

  const napi_env env_;
  Environment& environment_;
  const long number_;
  uint64_t words_[5] = {};
  int64_t result_ = -ECANCELED;  // should it never run
  Kind returned_;
  MapShape shape_;
  std::vector<Block> blocks_;
  std::vector<Place> places_;  // of addresses and descriptors
  std::vector<Descriptor*> used_;
  napi_value buffers_ = nullptr;  // valid in the entry that made the call, then in `Complete`
  napi_async_work work_ = nullptr;
  napi_ref kept_buffers_ = nullptr;
  napi_ref completion_ = nullptr;
};

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

void Call::Run() {
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

namespace {

// command, buffers, patches, completion
int64_t BpfEntry(const Arguments& arguments) {
  const auto command = static_cast<uint32_t>(arguments.Integer(0));
  if (command > kLastCommand || IsElementCommand(command)) return -EINVAL;
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_bpf, ReturnedKind(command)));
  if (call == nullptr) return -ENOMEM;
  if (const int error = call->Copy(arguments[1], arguments, 2)) return error;
  const Call::Block& attributes = call->blocks()[0];
  call->Set({command, Address(attributes.data.get()), attributes.size});
  return Call::Start(std::move(call), arguments.Function(3));
}

// command, map, buffers, patches, completion
int64_t MapElementEntry(const Arguments& arguments) {
  const auto command = static_cast<uint32_t>(arguments.Integer(0));
  const Descriptor* map = arguments.environment.FindDescriptor(arguments.Integer(1), Kind::kMap);
  if (command != kMapUpdate && command != kMapDelete) return -EINVAL;
  if (map == nullptr) return -EBADF;
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_bpf));
  if (call == nullptr) return -ENOMEM;
  // In use: reading an array may run JavaScript.
  if (const int number = call->Use(arguments.Integer(1), Kind::kMap); number < 0) return number;
  if (const int error = call->Copy(arguments[2], arguments, 3)) return error;
  const auto& blocks = call->blocks();
  const bool update = command == kMapUpdate;
  ElementAttr attr = {};
  if (blocks.size() != (update ? 3 : 2) || blocks[0].size != sizeof attr) return -EINVAL;
  memcpy(&attr, blocks[0].data.get(), sizeof attr);
  // The attributes must name this map, whose sizes are known, and these buffers.
  const uint64_t value_bytes = map->shape.ValueBytes(arguments.environment.possible_cpus);
  if (attr.map != static_cast<uint32_t>(map->number()) || attr.key != Address(blocks[1].data.get()) ||
      map->shape.key_size == 0 || blocks[1].size < map->shape.key_size ||
      attr.value != (update ? Address(blocks[2].data.get()) : 0) ||
      (update && (value_bytes == 0 || blocks[2].size < value_bytes)) ||
      (update && map->shape.HoldsDescriptors() && !call->BeginsWithDescriptor(blocks[2]))) {
    return -EINVAL;
  }
  call->Set({command, Address(blocks[0].data.get()), blocks[0].size});
  return Call::Start(std::move(call), arguments.Function(4));
}

// process, CPU, group or -1, flags, buffers, patches, completion
int64_t PerfEventOpenEntry(const Arguments& arguments) {
  constexpr uint64_t kCloseOnExec = 8;  // PERF_FLAG_FD_CLOEXEC
  // A size of zero means 64 bytes, those of the first kernel that had the call.
  constexpr uint32_t kFirstSize = 64;
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_perf_event_open, Kind::kPerfEvent));
  if (call == nullptr) return -ENOMEM;
  if (const int error = call->Copy(arguments[4], arguments, 5)) return error;
  const auto& blocks = call->blocks();
  uint32_t size = 0;
  if (blocks[0].size >= kFirstSize) memcpy(&size, blocks[0].data.get() + sizeof size, sizeof size);
  if (blocks[0].size < std::max(kFirstSize, size)) return -EINVAL;
  // What the attributes refer to is text: a function or file.
  for (size_t index = 1; index < blocks.size(); index++) {
    if (memchr(blocks[index].data.get(), 0, blocks[index].size) == nullptr) return -EINVAL;
  }
  const int64_t token = arguments.Integer(2);
  const int group = token == -1 ? -1 : call->Use(token, Kind::kPerfEvent);
  if (group < -1) return group;
  call->Set({Address(blocks[0].data.get()), static_cast<uint64_t>(arguments.Integer(0)),
             static_cast<uint64_t>(arguments.Integer(1)), static_cast<uint64_t>(group),
             static_cast<uint64_t>(arguments.Integer(3)) | kCloseOnExec});
  return Call::Start(std::move(call), arguments.Function(6));
}

// event, request, number or token, completion
int64_t PerfEventControlEntry(const Arguments& arguments) {
  constexpr uint32_t kSetOutput = 0x2405, kSetBpf = 0x40042408;
  const auto request = static_cast<uint32_t>(arguments.Integer(1));
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_ioctl));
  if (call == nullptr) return -ENOMEM;
  const int event = call->Use(arguments.Integer(0), Kind::kPerfEvent);
  if (event < 0) return event;
  // The request's number says whether it takes an address, by the size of one.
  if (((request >> 16) & 0x3fff) == sizeof(void*)) return -EINVAL;
  const bool takes_token = request == kSetOutput || request == kSetBpf;
  const int64_t argument = takes_token ? call->Use(arguments.Integer(2)) : arguments.Integer(2);
  if (takes_token && argument < 0) return argument;
  call->Set({static_cast<uint64_t>(event), request, static_cast<uint64_t>(argument)});
  return Call::Start(std::move(call), arguments.Function(3));
}

// token, completion
int64_t CloseEntry(const Arguments& arguments) {
  napi_value completion = arguments.Function(1);
  Resource* resource = arguments.environment.Remove(arguments.Integer(0));
  if (resource == nullptr) return -EBADF;
  if (completion != nullptr && resource->kind < Kind::kMapping) {
    std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_close));
    if (call != nullptr && call->Detach(completion) == 0) {
      static_cast<Descriptor*>(resource)->CloseBy(call.release());
      return 0;
    }
  }
  // Rings and mappings end on this thread. A positive result: done, and no completion will follow.
  resource->Close();
  return completion == nullptr ? 0 : 1;
}

// A descriptor that is the caller's, and stays so: the token of a copy.
int64_t AdoptEntry(const Arguments& arguments) {
  const int64_t number = arguments.Integer(0);
  const bool fits = number >= 0 && number <= INT_MAX;
  const int copy = fcntl(fits ? static_cast<int>(number) : -1, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return -errno;
  const Kind kind = Identify(copy);
  MapShape shape;
  if (kind == Kind::kMap && LearnShape(copy, &shape) < 0) shape = MapShape();
  return arguments.environment.Adopt(kind, copy, shape);
}

// token
int64_t KindEntry(const Arguments& arguments) {
  const Resource* resource = arguments.environment.Find(arguments.Integer(0));
  return resource == nullptr ? -EBADF : static_cast<int64_t>(resource->kind);
}

}  // namespace

const Entries kCallEntries = {
    {"bpf", Calls<BpfEntry>},
    {"mapElement", Calls<MapElementEntry>},
    {"perfEventOpen", Calls<PerfEventOpenEntry>},
    {"perfEventControl", Calls<PerfEventControlEntry>},
    {"close", Calls<CloseEntry>},
    {"adopt", Calls<AdoptEntry>},
    {"kind", Calls<KindEntry>},
};

}  // namespace ebpf
