// bpf, perf_event_open, ioctl and close, at once or off the event loop.

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "arguments.h"
#include "call.h"
#include "entries.h"

namespace ebpf {

namespace {

// A call on one of the runtime's pool threads. It deletes itself when it is over.
class Request {
 public:
  // Takes `call`; keeps what is copied back to, and the completion, alive until then.
  static Request* Create(napi_env env, Environment& environment, std::unique_ptr<Call> call, napi_value attr,
                         napi_value buffers, napi_value completion);

  // 0, or -errno when it did not start and no completion will be called.
  int Queue();

  // Descriptor::Destroyer: closes off the event loop, and at once where that is impossible.
  static void Destroy(Descriptor* descriptor, void* self);

 private:
  enum : uint32_t { kAttr, kBuffers, kCompletion };

  Request(napi_env env, Environment& environment, std::unique_ptr<Call> call)
      : env_(env), environment_(environment), call_(std::move(call)) {
    environment_.CallStarted();
  }

  ~Request() {
    if (work_ != nullptr) napi_delete_async_work(env_, work_);
    if (kept_ != nullptr) napi_delete_reference(env_, kept_);
    call_.reset();
    environment_.CallEnded();
  }

  static void Execute(napi_env env, void* self);
  static void Complete(napi_env env, napi_status status, void* self);
  napi_value Kept(napi_value list, uint32_t index) const;

  const napi_env env_;
  Environment& environment_;
  std::unique_ptr<Call> call_;
  napi_async_work work_ = nullptr;
  napi_ref kept_ = nullptr;
};

Request* Request::Create(napi_env env, Environment& environment, std::unique_ptr<Call> call, napi_value attr,
                         napi_value buffers, napi_value completion) {
  std::unique_ptr<Request, void (*)(Request*)> request(
      new (std::nothrow) Request(env, environment, std::move(call)), [](Request* failed) { delete failed; });
  if (request == nullptr) return nullptr;
  napi_value list = nullptr;
  napi_value name = nullptr;
  if (napi_create_array_with_length(env, 3, &list) != napi_ok ||
      (attr != nullptr && napi_set_element(env, list, kAttr, attr) != napi_ok) ||
      (buffers != nullptr && napi_set_element(env, list, kBuffers, buffers) != napi_ok) ||
      napi_set_element(env, list, kCompletion, completion) != napi_ok ||
      napi_create_reference(env, list, 1, &request->kept_) != napi_ok ||
      napi_create_string_latin1(env, "node-ebpf", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, request.get(), &request->work_) != napi_ok) {
    return nullptr;
  }
  return request.release();
}

int Request::Queue() {
  if (napi_queue_async_work(env_, work_) == napi_ok) return 0;
  delete this;
  return -EAGAIN;
}

void Request::Destroy(Descriptor* descriptor, void* self) {
  auto* request = static_cast<Request*>(self);
  request->call_->PrepareDestroy(descriptor);
  if (napi_queue_async_work(request->env_, request->work_) == napi_ok) return;
  Execute(request->env_, self);
  Complete(request->env_, napi_ok, self);
}

void Request::Execute(napi_env /*env*/, void* self) { static_cast<Request*>(self)->call_->Run(); }

// An element of the kept list; null when it is empty, or when JavaScript may not run any more.
napi_value Request::Kept(napi_value list, uint32_t index) const {
  napi_value value = nullptr;
  napi_valuetype type = napi_undefined;
  if (napi_get_element(env_, list, index, &value) != napi_ok || napi_typeof(env_, value, &type) != napi_ok) return nullptr;
  return type == napi_undefined ? nullptr : value;
}

void Request::Complete(napi_env env, napi_status /*status*/, void* self) {
  // Declared first, so that it goes last: the result is in the table, or closed, whatever JavaScript does with it.
  std::unique_ptr<Request, void (*)(Request*)> request(static_cast<Request*>(self), [](Request* over) { delete over; });
  napi_value list = nullptr;
  napi_value attr = nullptr;
  napi_value buffers = nullptr;
  napi_value completion = nullptr;
  if (napi_get_reference_value(env, request->kept_, &list) == napi_ok && list != nullptr) {
    attr = request->Kept(list, kAttr);
    buffers = request->Kept(list, kBuffers);
    completion = request->Kept(list, kCompletion);
  }
  napi_value result = nullptr;
  napi_value receiver = nullptr;
  const int64_t number = request->call_->Finish(env, attr, buffers);
  if (completion == nullptr || napi_create_int64(env, number, &result) != napi_ok ||
      napi_get_undefined(env, &receiver) != napi_ok) {
    return;
  }
  napi_call_function(env, receiver, completion, 1, &result, nullptr);
}

// Runs a prepared call now, or queues it when there is a completion.
int64_t Start(napi_env env, Environment& environment, std::unique_ptr<Call> call, napi_value attr, napi_value buffers,
              napi_value completion) {
  if (completion == nullptr) {
    call->Run();
    return call->Finish(env, attr, buffers);
  }
  Request* request = Request::Create(env, environment, std::move(call), attr, buffers, completion);
  return request == nullptr ? -ENOMEM : request->Queue();
}

std::unique_ptr<Call> NewCall(Environment& environment, napi_value completion) {
  return std::unique_ptr<Call>(new (std::nothrow) Call(environment, completion != nullptr));
}

napi_value BpfEntry(napi_env env, napi_callback_info info) {
  const Arguments<7> arguments(env, info);
  napi_value completion = arguments.Function(6);
  auto call = NewCall(arguments.environment(), completion);
  if (call == nullptr) return arguments.Return(-ENOMEM);
  const int64_t command = arguments.Integer(0);
  if (command < 0 || command > kLastCommand) return arguments.Return(-EINVAL);
  const int error = call->PrepareBpf(env, static_cast<uint32_t>(command), arguments[1], arguments[2], arguments[3],
                                     arguments[4], arguments[5]);
  if (error != 0) return arguments.Return(error);
  return arguments.Return(
      Start(env, arguments.environment(), std::move(call), arguments[1], arguments[2], completion));
}

napi_value PerfEventOpenEntry(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  napi_value completion = arguments.Function(5);
  auto call = NewCall(arguments.environment(), completion);
  if (call == nullptr) return arguments.Return(-ENOMEM);
  const int error = call->PreparePerfEventOpen(env, arguments[0], arguments.Integer(1), arguments.Integer(2),
                                               arguments.Integer(3), arguments.Integer(4));
  if (error != 0) return arguments.Return(error);
  return arguments.Return(Start(env, arguments.environment(), std::move(call), nullptr, nullptr, completion));
}

napi_value PerfEventControlEntry(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  napi_value completion = arguments.Function(4);
  auto call = NewCall(arguments.environment(), completion);
  if (call == nullptr) return arguments.Return(-ENOMEM);
  const int error = call->PreparePerfEventControl(env, arguments.Integer(0), static_cast<uint32_t>(arguments.Integer(1)),
                                                  arguments[2], arguments.Integer(3));
  if (error != 0) return arguments.Return(error);
  return arguments.Return(Start(env, arguments.environment(), std::move(call), arguments[2], nullptr, completion));
}

napi_value CloseEntry(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Environment& environment = arguments.environment();
  napi_value completion = arguments.Function(1);
  Resource* resource = environment.table.Remove(arguments.Integer(0));
  if (resource == nullptr) return arguments.Return(-EBADF);
  if (completion != nullptr && resource->kind() < Kind::kMapping) {
    if (auto call = NewCall(environment, completion)) {
      if (Request* request = Request::Create(env, environment, std::move(call), nullptr, nullptr, completion)) {
        static_cast<Descriptor*>(resource)->Close(Request::Destroy, request);
        return arguments.Return(0);
      }
    }
  }
  environment.Destroy(resource);
  if (completion == nullptr) return arguments.Return(0);
  napi_value receiver = nullptr;
  napi_value result = arguments.Return(0);
  napi_get_undefined(env, &receiver);
  napi_call_function(env, receiver, completion, 1, &result, nullptr);
  return result;
}

napi_value KindEntry(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const Resource* resource = arguments.environment().table.Find(arguments.Integer(0));
  return arguments.Return(resource == nullptr ? -EBADF : static_cast<int64_t>(resource->kind()));
}

}  // namespace

const Entry kRequestEntries[] = {
    {"bpf", BpfEntry},
    {"perfEventOpen", PerfEventOpenEntry},
    {"perfEventControl", PerfEventControlEntry},
    {"close", CloseEntry},
    {"kind", KindEntry},
    {nullptr, nullptr},
};

}  // namespace ebpf
