// The entries that may run off the event loop: each checks its arguments and makes a `Call` of them.

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

#include "call.h"

namespace ebpf {

namespace {

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

// command, buffers, patches, completion, network namespace
int64_t BpfEntry(const Arguments& arguments) {
  const auto command = static_cast<uint32_t>(arguments.Integer(0));
  if (command > kLastCommand || IsElementCommand(command)) return -EINVAL;
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_bpf, ReturnedKind(command)));
  if (call == nullptr) return -ENOMEM;
  if (const int error = call->Copy(arguments[1], arguments, 2)) return error;
  if (const int error = call->Enter(arguments.Integer(4))) return error;
  const Call::Block& attributes = call->blocks()[0];
  call->Set({command, Address(attributes.data.get()), attributes.size});
  return Call::Start(std::move(call), arguments.Function(3));
}

// command, map, buffers, patches, completion, network namespace
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
  if (const int error = call->Enter(arguments.Integer(5))) return error;
  call->Set({command, Address(blocks[0].data.get()), blocks[0].size});
  return Call::Start(std::move(call), arguments.Function(4));
}

// process, or a token with the flag for cgroups, CPU, group or -1, flags, buffers, patches, completion
int64_t PerfEventOpenEntry(const Arguments& arguments) {
  constexpr uint64_t kOfCgroup = 4;     // PERF_FLAG_PID_CGROUP
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
  const auto flags = static_cast<uint64_t>(arguments.Integer(3));
  const bool of_cgroup = (flags & kOfCgroup) != 0;
  const int64_t process = of_cgroup ? call->Use(arguments.Integer(0), Kind::kOther) : arguments.Integer(0);
  if (of_cgroup && process < 0) return process;
  call->Set({Address(blocks[0].data.get()), static_cast<uint64_t>(process), static_cast<uint64_t>(arguments.Integer(1)),
             static_cast<uint64_t>(group), flags | kCloseOnExec});
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

// iterator, buffers, patches, completion: read(2) into the one buffer
int64_t IteratorReadEntry(const Arguments& arguments) {
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_read));
  if (call == nullptr) return -ENOMEM;
  const int iterator = call->Use(arguments.Integer(0), Kind::kIterator);
  if (iterator < 0) return iterator;
  if (const int error = call->Copy(arguments[1], arguments, 2)) return error;
  const Call::Block& destination = call->blocks()[0];
  if (call->blocks().size() != 1) return -EINVAL;
  call->Set({static_cast<uint64_t>(iterator), Address(destination.data.get()), destination.size});
  return Call::Start(std::move(call), arguments.Function(3));
}

// socket, buffers, patches, completion
int64_t NetlinkSendEntry(const Arguments& arguments) {
  std::unique_ptr<Call> call(new (std::nothrow) Call(arguments, SYS_write));
  if (call == nullptr) return -ENOMEM;
  const int socket = call->Use(arguments.Integer(0), Kind::kSocket);
  if (socket < 0) return socket;
  if (const int error = call->Copy(arguments[1], arguments, 2)) return error;
  const Call::Block& message = call->blocks()[0];
  if (call->blocks().size() != 1) return -EINVAL;
  call->Set({static_cast<uint64_t>(socket), Address(message.data.get()), message.size});
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
    {"iteratorRead", Calls<IteratorReadEntry>},
    {"netlinkSend", Calls<NetlinkSendEntry>},
    {"close", Calls<CloseEntry>},
    {"adopt", Calls<AdoptEntry>},
    {"kind", Calls<KindEntry>},
};

}  // namespace ebpf
