#include "event_source.h"

#include <new>
#include <unistd.h>

#include "event_thread.h"

namespace ebpf {

namespace {

// Uint32Array that a drain fills: lib/sys/event-source.ts names its places.
enum Report : uint8_t {
  kRecords,
  kMore,
  kNeeded,
  kLost,
  kLostHigh,
  kCpusChanged,
  kPayload,
  kOverwritten,
  kOverwrittenHigh,
  kReportLength
};

// Columns of the table: offsets, lengths, CPUs.
constexpr size_t kColumns = 3;

}  // namespace

EventSource::~EventSource() {
  SetReferenced(false);
  if (environment.events != nullptr && descriptor >= 0) environment.events->Forget(descriptor);
  if (on_ready_ != nullptr) napi_delete_reference(env, on_ready_);
  if (descriptor >= 0) close(descriptor);
}

int64_t EventSource::Opened(const Arguments& arguments, napi_value on_ready, int error) {
  if (error == 0 && napi_create_reference(env, on_ready, 1, &on_ready_) != napi_ok) error = -ENOMEM;
  if (error == 0 && environment.Events(&error) != nullptr) return arguments.environment.Insert(this);
  Close();
  return error;
}

// source, destination, table of offsets, lengths and CPUs, report. The bytes written or -errno.
int64_t EventSource::DrainTo(const Arguments& arguments) {
  Bytes destination;
  uint32_t* table = nullptr;
  uint32_t* report = nullptr;
  size_t length = 0;
  if (!arguments.GetBytes(1, &destination) || destination.absent || destination.size > UINT32_MAX ||
      !arguments.GetArray(2, napi_uint32_array, kColumns, &table, &length) ||
      !arguments.GetArray(3, napi_uint32_array, kReportLength, &report)) {
    return -EINVAL;
  }
  const size_t rows = length / kColumns;
  Drain drain = {destination.data, destination.size, table,
                 table + rows,     table + 2 * rows, static_cast<uint32_t>(rows)};
  const int error = Take(&drain);
  report[kRecords] = drain.records;
  report[kMore] = drain.more ? 1 : 0;
  report[kNeeded] = static_cast<uint32_t>(drain.needed);
  report[kLost] = static_cast<uint32_t>(drain.lost);
  report[kLostHigh] = static_cast<uint32_t>(drain.lost >> 32);
  report[kOverwritten] = static_cast<uint32_t>(drain.overwritten);
  report[kOverwrittenHigh] = static_cast<uint32_t>(drain.overwritten >> 32);
  report[kPayload] = static_cast<uint32_t>(drain.payload);
  report[kCpusChanged] = drain.cpus_changed ? 1 : 0;
  // What was taken before the nonsense is good, and gone from the kernel's memory.
  return error < 0 && drain.records == 0 ? error : static_cast<int64_t>(drain.used);
}

// source
int64_t EventSource::Arm(const Arguments& arguments) {
  // Without a thread the environment is ending.
  return environment.events == nullptr ? -ECANCELED : ArmAs(arguments.Integer(0));
}

int EventSource::ArmAs(int64_t token) { return environment.events->Arm(descriptor, token); }

// source
int64_t EventSource::Pending(const Arguments& /*arguments*/) { return static_cast<int64_t>(PendingBytes()); }

// source, whether it keeps the event loop alive
int64_t EventSource::Reference(const Arguments& arguments) {
  SetReferenced(arguments.Boolean(1));
  return 0;
}

void EventSource::SetReferenced(bool referenced) {
  if (referenced == referenced_ || environment.events == nullptr) return;
  referenced_ = referenced;
  environment.events->Reference(referenced ? 1 : -1);
}

void EventSource::OnReady() {
  napi_env caller = env;  // the callback may close this source
  napi_value function = nullptr;
  napi_value receiver = nullptr;
  if (napi_get_reference_value(caller, on_ready_, &function) != napi_ok || function == nullptr ||
      napi_get_undefined(caller, &receiver) != napi_ok ||
      napi_call_function(caller, receiver, function, 0, nullptr, nullptr) != napi_pending_exception) {
    return;
  }
  // Node would drop an exception here with a deprecation warning; it belongs in 'uncaughtException'.
  napi_value exception = nullptr;
  if (napi_get_and_clear_last_exception(caller, &exception) == napi_ok) napi_fatal_exception(caller, exception);
}

const Entries kSourceEntries = {
    {"sourceDrain", Calls<On<EventSource, &EventSource::DrainTo>>},
    {"sourceArm", Calls<On<EventSource, &EventSource::Arm>>},
    {"sourcePending", Calls<On<EventSource, &EventSource::Pending>>},
    {"sourceReference", Calls<On<EventSource, &EventSource::Reference>>},
};

}  // namespace ebpf
