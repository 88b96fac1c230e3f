// Sockets: options of the caller's, and netlink sockets of any network namespace.

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arguments.h"
#include "namespace.h"

namespace ebpf {

namespace {

// Of include/uapi/linux/netlink.h since Linux 4.12 and 4.3: refusals come with a sentence, and without the request.
constexpr int kExtendedAck = 11, kCapAck = 10;

// descriptor, level, option, bytes: those that the kernel wrote
int64_t GetOption(const Arguments& arguments) {
  Bytes bytes;
  if (!arguments.GetBytes(3, &bytes) || bytes.absent || bytes.size > INT32_MAX) return -EINVAL;
  auto size = static_cast<socklen_t>(bytes.size);
  const int result = getsockopt(static_cast<int>(arguments.Integer(0)), static_cast<int>(arguments.Integer(1)),
                                static_cast<int>(arguments.Integer(2)), bytes.data, &size);
  return result < 0 ? -errno : static_cast<int64_t>(size);
}

// descriptor, level, option, bytes or the token of a descriptor
int64_t SetOption(const Arguments& arguments) {
  Bytes bytes;
  int descriptor = -1;
  if (!arguments.GetBytes(3, &bytes)) {
    const Descriptor* given = arguments.environment.FindDescriptor(arguments.Integer(3));
    if (given == nullptr) return -EBADF;
    descriptor = given->number();
    bytes.data = reinterpret_cast<uint8_t*>(&descriptor);
    bytes.size = sizeof descriptor;
  }
  if (bytes.absent || bytes.size > INT32_MAX) return -EINVAL;
  const int result = setsockopt(static_cast<int>(arguments.Integer(0)), static_cast<int>(arguments.Integer(1)),
                                static_cast<int>(arguments.Integer(2)), bytes.data, static_cast<socklen_t>(bytes.size));
  return result < 0 ? -errno : 0;
}

struct Opening {
  int domain, type, protocol, result;
};

void Open(void* data) {
  auto* opening = static_cast<Opening*>(data);
  const int descriptor = socket(opening->domain, opening->type | SOCK_CLOEXEC | SOCK_NONBLOCK, opening->protocol);
  opening->result = descriptor < 0 ? -errno : AboveStandard(descriptor);
}

// domain, type, protocol, network namespace or 0
int64_t SocketOpen(const Arguments& arguments) {
  const int64_t token = arguments.Integer(3);
  Opening opening = {static_cast<int>(arguments.Integer(0)), static_cast<int>(arguments.Integer(1)),
                     static_cast<int>(arguments.Integer(2)), -ECANCELED};
  if (token == 0) {
    Open(&opening);
  } else {
    const Descriptor* space = arguments.environment.FindDescriptor(token, Kind::kOther);
    if (space == nullptr) return -EBADF;
    if (const int error = InNetworkNamespace(space->number(), Open, &opening)) return error;
  }
  if (opening.result < 0) return opening.result;
  if (opening.domain == AF_NETLINK) {
    const int on = 1;
    // Where there are none, refusals are plain numbers.
    setsockopt(opening.result, SOL_NETLINK, kExtendedAck, &on, sizeof on);
    setsockopt(opening.result, SOL_NETLINK, kCapAck, &on, sizeof on);
  }
  return arguments.environment.Adopt(Kind::kSocket, opening.result, MapShape());
}

// socket, buffer: the bytes of the next datagram, which is cut where the buffer ends; -EAGAIN when there is none
int64_t NetlinkReceive(const Arguments& arguments) {
  const Descriptor* found = arguments.environment.FindDescriptor(arguments.Integer(0), Kind::kSocket);
  Bytes bytes;
  if (found == nullptr) return -EBADF;
  if (!arguments.GetBytes(1, &bytes) || bytes.absent) return -EINVAL;
  const ssize_t size = recv(found->number(), bytes.data, bytes.size, MSG_DONTWAIT | MSG_TRUNC);
  return size < 0 ? -errno : static_cast<int64_t>(size);
}

}  // namespace

const Entries kNetworkEntries = {
    {"getSocketOption", Calls<GetOption>},
    {"setSocketOption", Calls<SetOption>},
    {"socketOpen", Calls<SocketOpen>},
    {"netlinkReceive", Calls<NetlinkReceive>},
};

}  // namespace ebpf
