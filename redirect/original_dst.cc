#include "redirect/original_dst.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

namespace aquifer::redirect {
namespace {

// SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST of the kernel's netfilter headers, which clash with the
// C library's netinet/in.h.
constexpr int kOriginalDst = 80;

std::optional<Address> Tracked(int fd, int level, int option) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockopt(fd, level, option, &storage, &length) != 0) return std::nullopt;
  return Address::FromSockaddr(storage);
}

}  // namespace

Result<Address> OriginalDestination(int fd) {
  // IPv4 first: a dual-stack socket that carries IPv4 answers only there.
  if (const auto destination = Tracked(fd, IPPROTO_IP, kOriginalDst)) return *destination;
  if (const auto destination = Tracked(fd, IPPROTO_IPV6, kOriginalDst)) return *destination;
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return Error{Reason::kNoOriginalDestination, errno};
  }
  const std::optional<Address> local = Address::FromSockaddr(storage);
  if (!local) return Error{Reason::kNoOriginalDestination};
  return *local;
}

}  // namespace aquifer::redirect
