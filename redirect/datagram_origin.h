// Where a redirected datagram was going before a rule changed its destination. Sockets of datagrams
// cannot be asked as those of connections can (SO_ORIGINAL_DST), but connection tracking can, over
// netlink: it answers in the call that asks, so nothing waits. One network namespace, one thread.
#pragma once

#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace aquifer::redirect {

class DatagramOrigin {
 public:
  // Of the calling thread's network namespace.
  static Result<DatagramOrigin> Open();

  // Of a datagram that came from `client` to our socket at `local`. kNotFound when nothing is known
  // of it; any other error means that there is no use in asking again.
  Result<Address> Of(const Address& client, const Address& local);

 private:
  explicit DatagramOrigin(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

// The original destination in one message of the kernel's connection tracking; for tests, too.
Result<Address> OriginIn(Bytes message);

}  // namespace aquifer::redirect
