#include "core/io/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/base/last_error.h"
#include "core/io/option.h"
#include "core/io/socket_address.h"
#include "core/rt/await.h"
#include "core/rt/timer.h"

namespace aquifer::io {
namespace {

constexpr std::size_t kBurstBytes = 64 * 1024;
// Between looks at a half-closed connection that nobody reads or writes.
constexpr std::chrono::milliseconds kFirstLook(100);
constexpr std::chrono::seconds kLastLook(30);
constexpr std::size_t kGather = 64;  // chunks a system call, well under IOV_MAX

// A half-closed connection may be silent for hours, and connection tracking forgets it in a minute
// or two: a captured one is then cut off from its peer. Probes, where there are any, come more
// often.
void ProbeHalfClosed(int fd) {
  constexpr int kSeconds = 30;
  TryOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kSeconds);
  TryOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kSeconds);
}

Result<Chunk> Failed(int result, StopToken stop) { return ErrorFromResult(result, stop); }

Result<UniqueFd> MakeSocket(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return LastError();
  return fd;
}

}  // namespace

Task<Result<Chunk>> Socket::Read(StopToken stop) {
  if (burst_) co_return co_await ReadBurst(stop);
  Op op;
  op.kind = OpKind::kRecvPooled;
  op.fd = fd_.get();
  const int result = co_await OpAwaiter(op, stop);
  if (op.block != nullptr) {
    const std::size_t size = result > 0 ? static_cast<std::size_t>(result) : 0;
    Chunk chunk = Chunk::Adopt(op.block, Block::kHeadroom, size);
    burst_ = size == Block::kReadBytes;
    if (result > 0) co_return chunk;
  }
  if (result < 0) co_return Failed(result, stop);
  co_return End();
}

// A read of nothing: the peer's FIN. Or its reset, when a write was told of that: the kernel says
// so once and reads nothing from then on. Only a reset closes a socket that may still write.
Result<Chunk> Socket::End() const {
  if (write_ended_) return Chunk();
  if (IsClosed()) return Error{Reason::kPeerReset, ECONNRESET};
  ProbeHalfClosed(fd_.get());
  return Chunk();
}

// Reads what is there into a large block; when nothing is there the next read waits without one.
Task<Result<Chunk>> Socket::ReadBurst(StopToken stop) {
  Chunk chunk = Chunk::Allocate(kBurstBytes);
  Op op;
  op.kind = OpKind::kRecv;
  op.fd = fd_.get();
  op.data = chunk.writable().data();
  op.size = kBurstBytes;
  op.flags = MSG_DONTWAIT;
  const int result = co_await OpAwaiter(op, stop);
  burst_ = result >= static_cast<int>(Block::kReadBytes);
  if (result == -EAGAIN) {
    chunk = Chunk();
    co_return co_await Read(stop);
  }
  if (result < 0) co_return Failed(result, stop);
  if (result == 0) co_return End();
  chunk.Grow(static_cast<std::size_t>(result));
  co_return chunk;
}

Task<Status> Socket::Write(Chunk chunk, StopToken stop) {
  while (!chunk.empty()) {
    Op op;
    op.kind = OpKind::kSend;
    op.fd = fd_.get();
    op.data = const_cast<std::uint8_t*>(chunk.data());
    op.size = chunk.size();
    const int result = co_await OpAwaiter(op, stop);
    if (result < 0) co_return ErrorFromResult(result, stop);
    chunk.RemovePrefix(static_cast<std::size_t>(result));
  }
  co_return Status();
}

Task<Status> Socket::WriteMany(std::vector<Chunk> chunks, StopToken stop) {
  std::size_t first = 0;
  while (first < chunks.size()) {
    std::array<iovec, kGather> parts{};
    std::size_t count = 0;
    for (std::size_t i = first; i < chunks.size() && count < kGather; ++i) {
      parts[count++] = {const_cast<std::uint8_t*>(chunks[i].data()), chunks[i].size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    Op op;
    op.kind = OpKind::kSendMessage;
    op.fd = fd_.get();
    op.message = &message;
    const int result = co_await OpAwaiter(op, stop);
    if (result < 0) co_return ErrorFromResult(result, stop);
    std::size_t sent = static_cast<std::size_t>(result);
    while (first < chunks.size() && sent >= chunks[first].size()) {
      sent -= chunks[first].size();
      chunks[first++] = Chunk();
    }
    if (sent > 0) chunks[first].RemovePrefix(sent);
  }
  co_return Status();
}

Task<Status> Socket::ShutdownWrite(StopToken) {
  if (::shutdown(fd_.get(), SHUT_WR) != 0) co_return LastError();
  write_ended_ = true;
  ProbeHalfClosed(fd_.get());
  co_return Status();
}

// A poll would not wait: io_uring's ends at the FIN that has been read already. So the socket is
// looked at, ever more seldom: a reset is noticed in about the time that the silence has lasted.
Task<Status> Socket::WaitBroken(StopToken stop) { return WaitBroken(stop, kLastLook); }

Task<Status> Socket::WaitBroken(StopToken stop, Clock::duration longest) {
  Clock::duration pause = kFirstLook;
  while (true) {
    const Status slept = co_await SleepFor(pause, stop);
    if (!slept) co_return slept;
    if (IsClosed())
      co_return write_ended_ ? Status() : Status(Error{Reason::kPeerReset, ECONNRESET});
    pause = std::min(2 * pause, longest);
  }
}

bool Socket::IsClosed() const {
  tcp_info info{};
  socklen_t length = sizeof info;
  return ::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
         info.tcpi_state == TCP_CLOSE;
}

void Socket::Reset() {
  const linger abort{.l_onoff = 1, .l_linger = 0};
  static_cast<void>(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort));
}

const Address& Socket::peer() {
  if (!peer_) peer_ = AddressOf(fd_.get(), &::getpeername).value_or(Address{});
  return *peer_;
}

const Address& Socket::local() {
  if (!local_) local_ = AddressOf(fd_.get(), &::getsockname).value_or(Address{});
  return *local_;
}

Result<std::unique_ptr<Listener>> Listener::Listen(const Address& address,
                                                   const ListenOptions& options) {
  AQ_TRY(UniqueFd fd, MakeSocket(address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM));
  TryOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) TryOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.ip.is_v6())
    TryOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, address.ip.is_any() ? 0 : 1);
  AQ_TRY_STATUS(Bind(fd.get(), address));
  if (::listen(fd.get(), options.backlog) != 0) return LastError();
  return std::make_unique<Listener>(std::move(fd));
}

Task<Result<SocketPtr>> Listener::Accept(StopToken stop) {
  Op op;
  op.kind = OpKind::kAccept;
  op.fd = fd_.get();
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return std::make_unique<Socket>(UniqueFd(result));
}

Address Listener::local() const { return AddressOf(fd_.get(), &::getsockname).value_or(Address{}); }

Task<Result<SocketPtr>> Connect(Address address, StopToken stop) {
  AQ_CO_TRY(UniqueFd fd, MakeSocket(address.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM));
  SetTunnelOptions(fd.get());
  co_return co_await ConnectWith(std::move(fd), address, stop);
}

Task<Result<SocketPtr>> ConnectWith(UniqueFd fd, Address address, StopToken stop) {
  sockaddr_storage storage{};
  Op op;
  op.kind = OpKind::kConnect;
  op.fd = fd.get();
  op.address_length = address.ToSockaddr(storage);
  op.address = reinterpret_cast<const sockaddr*>(&storage);
  const int result = co_await OpAwaiter(op, stop);
  if (result < 0) co_return ErrorFromResult(result, stop);
  co_return std::make_unique<Socket>(std::move(fd));
}

}  // namespace aquifer::io
