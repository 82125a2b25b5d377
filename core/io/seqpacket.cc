#include "core/io/seqpacket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "core/base/check.h"
#include "core/base/last_error.h"
#include "core/rt/await.h"
#include "core/rt/timer.h"

namespace aquifer::io {
namespace {

constexpr int kBacklog = 16;
// A listener whose queue is full cannot be waited for by poll, and where the connect itself waits
// no cancellation reaches it for sure: it is asked again.
constexpr std::chrono::milliseconds kAskAgain(5);
// Room in the control buffer; Limits::descriptors is at most one less, so that one too many is
// seen.
constexpr std::size_t kMaxDescriptors = 8;

using Control = std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))>;

Result<UniqueFd> MakeSocket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return LastError();
  return fd;
}

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{Reason::kSystem, ENAMETOOLONG};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// 0 or an errno: EAGAIN when the listener's queue is full. The descriptor is left as it was, a
// blocking one, as the loop's backends want it.
int ConnectAtOnce(int fd, const sockaddr_un& address) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  const int error = ::connect(fd, generic, sizeof address) == 0 ? 0 : errno;
  return ::fcntl(fd, F_SETFL, flags) == 0 ? error : errno;
}

// Takes every descriptor out of the control data, so that none leaks whatever becomes of the
// packet.
std::vector<UniqueFd> TakeDescriptors(msghdr& message) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

void PutDescriptor(msghdr& message, Control& control, int descriptor) {
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
}

// A socket that nobody listens on any more may be replaced; anything else at that path is not ours
// to remove.
Status RemoveStaleSocket(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Status();
    return LastError();
  }
  if (!S_ISSOCK(status.st_mode)) return Error{Reason::kSystem, EEXIST};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return LastError();
  return Status();
}

}  // namespace

Task<Result<SeqpacketSocket::Packet>> SeqpacketSocket::Receive(Limits limits, StopToken stop) {
  AQ_CHECK(limits.descriptors < kMaxDescriptors);
  Packet packet;
  packet.bytes.resize(limits.bytes);
  alignas(cmsghdr) Control control{};
  iovec part{packet.bytes.data(), packet.bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  Op op;
  op.kind = OpKind::kRecvMessage;
  op.fd = fd_.get();
  op.message = &message;
  op.flags = MSG_CMSG_CLOEXEC;
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  packet.descriptors = TakeDescriptors(message);
  if (result == 0) co_return Error{Reason::kPeerClosed};
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) co_return Error{Reason::kBadRequest};
  if (packet.descriptors.size() > limits.descriptors) co_return Error{Reason::kBadRequest};
  packet.bytes.resize(static_cast<std::size_t>(result));
  co_return packet;
}

Task<Status> SeqpacketSocket::Send(std::string packet, int descriptor, StopToken stop) {
  alignas(cmsghdr) Control control{};
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) PutDescriptor(message, control, descriptor);
  Op op;
  op.kind = OpKind::kSendMessage;
  op.fd = fd_.get();
  op.message = &message;
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return Status();
}

Task<Status> SeqpacketSocket::WaitReadable(StopToken stop) {
  Op op;
  op.kind = OpKind::kPoll;
  op.fd = fd_.get();
  op.poll_events = POLLIN | POLLRDHUP;
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return Status();
}

Result<std::unique_ptr<SeqpacketListener>> SeqpacketListener::Listen(const std::string& path) {
  AQ_TRY(const sockaddr_un address, UnixAddress(path));
  AQ_TRY(UniqueFd fd, MakeSocket());
  AQ_TRY_STATUS(RemoveStaleSocket(path));
  // Before bind the mode belongs to the socket and becomes that of the file: no moment in which
  // others may connect.
  if (::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return LastError();
  }
  return std::make_unique<SeqpacketListener>(std::move(fd));
}

Task<Result<SeqpacketSocketPtr>> SeqpacketListener::Accept(StopToken stop) {
  Op op;
  op.kind = OpKind::kAccept;
  op.fd = fd_.get();
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return std::make_unique<SeqpacketSocket>(UniqueFd(result));
}

Task<Result<SeqpacketSocketPtr>> ConnectSeqpacket(std::string path, StopToken stop) {
  AQ_CO_TRY(const sockaddr_un address, UnixAddress(path));
  AQ_CO_TRY(UniqueFd fd, MakeSocket());
  while (!stop.requested()) {
    const int error = ConnectAtOnce(fd.get(), address);
    if (error == 0) co_return std::make_unique<SeqpacketSocket>(std::move(fd));
    if (error != EAGAIN) co_return Error{ReasonFromErrno(error), error};
    std::ignore = co_await SleepFor(kAskAgain, stop);
  }
  co_return stop.error();
}

}  // namespace aquifer::io
