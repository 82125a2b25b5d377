// Where a socket is and where it leads to, told to the kernel and asked of it. Any thread.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "core/base/address.h"
#include "core/base/last_error.h"

namespace aquifer::io {

inline Status Bind(int fd, const Address& address) {
  sockaddr_storage storage{};
  const socklen_t length = address.ToSockaddr(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return {};
  return LastError();
}

// `ask` is getsockname or getpeername. None for a Unix socket or a connection that is gone.
inline std::optional<Address> AddressOf(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return Address::FromSockaddr(storage);
}

}  // namespace aquifer::io
