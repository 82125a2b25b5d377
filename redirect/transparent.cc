#include "redirect/transparent.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/io/option.h"
#include "core/io/socket_address.h"

namespace aquifer::redirect {
namespace {

Status Enable(int fd, int level, int option) { return io::SetOption(fd, level, option, 1); }

}  // namespace

Status SetTransparent(int fd, int family) {
  if (family == AF_INET6) {
    AQ_TRY_STATUS(Enable(fd, IPPROTO_IPV6, IPV6_TRANSPARENT));
  }
  // A dual-stack socket carries IPv4 as well; the two options set one flag of the socket.
  return Enable(fd, IPPROTO_IP, IP_TRANSPARENT);
}

std::uint16_t SourcePort(std::uint32_t n) {
  constexpr std::uint32_t kFirst = 1024;
  constexpr std::uint32_t kEphemeral = 32768;
  constexpr std::uint32_t kAfterEphemeral = 61000;
  constexpr std::uint32_t kBelow = kEphemeral - kFirst;
  constexpr std::uint32_t kAbove = 65536 - kAfterEphemeral;
  const std::uint32_t index = n % (kBelow + kAbove);
  return static_cast<std::uint16_t>(index < kBelow ? kFirst + index
                                                   : kAfterEphemeral + (index - kBelow));
}

Status BindSource(int fd, const Ip& source, std::uint32_t random) {
  constexpr std::uint32_t kTries = 8;
  const int family = source.is_v4() ? AF_INET : AF_INET6;
  AQ_TRY_STATUS(SetTransparent(fd, family));
  AQ_TRY_STATUS(family == AF_INET ? Enable(fd, IPPROTO_IP, IP_FREEBIND)
                                  : Enable(fd, IPPROTO_IPV6, IPV6_FREEBIND));
  for (std::uint32_t n = 0; n < kTries; ++n) {
    const Status bound = io::Bind(fd, Address{source, SourcePort(random + n)});
    if (bound || bound.error().os_error != EADDRINUSE) return bound;
  }
  AQ_TRY_STATUS(Enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT));
  return io::Bind(fd, Address{source, 0});
}

}  // namespace aquifer::redirect
