#include "redirect/transparent.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace aquifer::redirect {
namespace {

Status Enable(int fd, int level, int option) {
  constexpr int kOn = 1;
  if (::setsockopt(fd, level, option, &kOn, sizeof kOn) == 0) return {};
  return Error{ReasonFromErrno(errno), errno};
}

}  // namespace

Status SetTransparent(int fd, int family) {
  if (family == AF_INET6) {
    AQ_TRY_STATUS(Enable(fd, IPPROTO_IPV6, IPV6_TRANSPARENT));
  }
  // A dual-stack socket carries IPv4 as well; the two options set one flag of the socket.
  return Enable(fd, IPPROTO_IP, IP_TRANSPARENT);
}

Status BindSource(int fd, const Ip& source) {
  const int family = source.is_v4() ? AF_INET : AF_INET6;
  AQ_TRY_STATUS(SetTransparent(fd, family));
  AQ_TRY_STATUS(family == AF_INET ? Enable(fd, IPPROTO_IP, IP_FREEBIND)
                                  : Enable(fd, IPPROTO_IPV6, IPV6_FREEBIND));
  AQ_TRY_STATUS(Enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT));
  sockaddr_storage storage{};
  const socklen_t length = Address{source, 0}.ToSockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return {};
  return Error{ReasonFromErrno(errno), errno};
}

}  // namespace aquifer::redirect
