#include "core/io/datagram.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/io/socket_address.h"
#include "core/rt/await.h"

namespace aquifer::io {
namespace {

// Of a call that does not wait.
Error WhyNot() {
  if (errno == EAGAIN) return Error{Reason::kNotFound, errno};
  return LastError();
}

}  // namespace

Result<DatagramSocket> DatagramSocket::Bind(const Address& address) {
  AQ_TRY(DatagramSocket socket, Open(address.ip));
  const int fd = socket.fd();
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return LastError();
  if (address.ip.is_v6() && ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
    return LastError();
  sockaddr_storage storage{};
  const socklen_t length = address.ToSockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0) return LastError();
  return socket;
}

Result<DatagramSocket> DatagramSocket::Open(const Ip& peer) {
  const int family = peer.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return LastError();
  return DatagramSocket(std::move(fd));
}

Task<Status> DatagramSocket::WaitReadable(StopToken stop) {
  Op op;
  op.kind = OpKind::kPoll;
  op.fd = fd_.get();
  op.poll_events = POLLIN;
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return Status();
}

Result<DatagramSocket::Datagram> DatagramSocket::Take(std::span<std::uint8_t> buffer) {
  sockaddr_storage storage{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = &storage;
  message.msg_namelen = sizeof storage;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  if (size < 0) return WhyNot();
  return Datagram{.from = Address::FromSockaddr(storage).value_or(Address{}),
                  .size = static_cast<std::size_t>(size),
                  .cut = (message.msg_flags & MSG_TRUNC) != 0};
}

Status DatagramSocket::SendTo(Bytes bytes, const Address& to) {
  sockaddr_storage storage{};
  const socklen_t length = to.ToSockaddr(storage);
  const ssize_t sent = ::sendto(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&storage), length);
  if (sent < 0) return WhyNot();
  return Status();
}

Status DatagramSocket::Connect(const Address& peer) {
  sockaddr_storage storage{};
  const socklen_t length = peer.ToSockaddr(storage);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return WhyNot();
  return Status();
}

Status DatagramSocket::Send(Bytes bytes) {
  if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    return WhyNot();
  return Status();
}

Result<std::string> DatagramSocket::TakeWhole() {
  const ssize_t there = ::recv(fd_.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
  if (there < 0) return WhyNot();
  std::string bytes(static_cast<std::size_t>(there), '\0');
  const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0) return WhyNot();
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

Address DatagramSocket::local() const {
  return AddressOf(fd_.get(), &::getsockname).value_or(Address{});
}

}  // namespace aquifer::io
