#include "redirect/pod_sockets.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "core/base/last_error.h"
#include "core/io/option.h"
#include "core/io/socket_address.h"
#include "redirect/transparent.h"

namespace aquifer::redirect {
namespace {

constexpr int kBacklog = 1024;

Status BindWildcard(int fd, int family, std::uint16_t port) {
  if (family == AF_INET6) {
    AQ_TRY_STATUS(io::SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0));
  }
  return io::Bind(fd, Address{family == AF_INET6 ? Ip::Any6() : Ip::Any4(), port});
}

int FamilyOf(const Ip& ip) { return ip.is_v4() ? AF_INET : AF_INET6; }

bool MeansNoIpv6(const Error& error) {
  return error.os_error == EAFNOSUPPORT || error.os_error == EADDRNOTAVAIL;
}

}  // namespace

std::uint32_t SystemRandom() {
  std::uint32_t value = 0;
  static_cast<void>(::getrandom(&value, sizeof value, GRND_NONBLOCK));
  return value;
}

// The mark is set before anything else: without it the rules would turn the proxy's own packets
// back to the proxy, for ever.
Result<UniqueFd> PodSockets::Make(int family, int type) const {
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return LastError();
  if (options_.mark != 0) {
    AQ_TRY_STATUS(io::SetOption(fd.get(), SOL_SOCKET, SO_MARK, static_cast<int>(options_.mark)));
  }
  return fd;
}

Result<PodSockets::ListenSocket> PodSockets::Listen(std::uint16_t port, SourceKept kept) const {
  return InPod([&] { return ListenHere(port, kept); });
}

Result<PodSockets::ListenSocket> PodSockets::ListenHere(std::uint16_t port, SourceKept kept) const {
  int family = options_.ipv6 ? AF_INET6 : AF_INET;
  Result<UniqueFd> fd = Make(family, SOCK_STREAM);
  if (!fd && family == AF_INET6 && MeansNoIpv6(fd.error()))
    fd = Make(family = AF_INET, SOCK_STREAM);
  if (!fd) return fd.error();
  ListenSocket made{.fd = *std::move(fd)};
  AQ_TRY_STATUS(io::SetOption(made.fd.get(), SOL_SOCKET, SO_REUSEADDR, 1));
  if (options_.reuse_port) {
    AQ_TRY_STATUS(io::SetOption(made.fd.get(), SOL_SOCKET, SO_REUSEPORT, 1));
  }
  if (kept != SourceKept::kNo) {
    const Status transparent = SetTransparent(made.fd.get(), family);
    if (!transparent && kept == SourceKept::kRequired) return transparent.error();
    made.keeps_source = transparent.ok();
  }
  AQ_TRY_STATUS(BindWildcard(made.fd.get(), family, port));
  if (::listen(made.fd.get(), kBacklog) != 0) return LastError();
  return made;
}

Result<UniqueFd> PodSockets::BindHere(const Address& address, int type) const {
  AQ_TRY(UniqueFd fd, Make(FamilyOf(address.ip), type));
  // Of datagrams two programs could otherwise take turns without either knowing.
  if (type == SOCK_STREAM) {
    AQ_TRY_STATUS(io::SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1));
  }
  if (options_.reuse_port) {
    AQ_TRY_STATUS(io::SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1));
  }
  if (address.ip.is_v6()) {
    AQ_TRY_STATUS(io::SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1));
  }
  AQ_TRY_STATUS(io::Bind(fd.get(), address));
  if (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0) return LastError();
  return fd;
}

Result<UniqueFd> PodSockets::ListenAt(const Address& address) const {
  return InPod([&] { return BindHere(address, SOCK_STREAM); });
}

Result<UniqueFd> PodSockets::DatagramsAt(const Address& address) const {
  return InPod([&] { return BindHere(address, SOCK_DGRAM); });
}

bool PodSockets::HasIpv6() const {
  const Result<bool> has = InPod([] { return Result<bool>(Ipv6Enabled()); });
  return options_.ipv6 && has.ok() && *has;
}

Result<UniqueFd> PodSockets::Upstream(const Ip& destination) const {
  return InPod([&] { return Make(FamilyOf(destination), SOCK_STREAM); });
}

Result<UniqueFd> PodSockets::UpstreamDatagrams(const Ip& destination) const {
  return InPod([&] { return Make(FamilyOf(destination), SOCK_DGRAM); });
}

Result<PodSockets::UpstreamSocket> PodSockets::UpstreamFrom(const Ip& source,
                                                            const Ip& destination) const {
  AQ_TRY(UniqueFd fd, Upstream(destination));
  UpstreamSocket made{.fd = std::move(fd)};
  if (source == destination) return made;
  if (source.is_v4() != destination.is_v4()) {
    made.source_kept = Error{Reason::kUnsupported, EAFNOSUPPORT};
  } else {
    made.source_kept = BindSource(made.fd.get(), source, options_.random());
  }
  return made;
}

}  // namespace aquifer::redirect
