// UDP sockets. Waiting for a datagram owns no buffer; what is there is then taken, and sent,
// without waiting: a full queue loses a datagram, as a network may. The descriptor may come from
// elsewhere and stays where it was made. One thread: its Loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

class DatagramSocket {
 public:
  explicit DatagramSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  // Bound to `address`, of whose family alone datagrams come. Others may be bound to the same: what
  // one client sends comes to one of them.
  static Result<DatagramSocket> Bind(const Address& address);
  // To be connected to an address of the same family as `peer`.
  static Result<DatagramSocket> Open(const Ip& peer);

  struct Datagram {
    Address from;
    std::size_t size = 0;
    bool cut = false;  // it was longer than the buffer
  };

  // Ok once a datagram or an error is there to be taken.
  Task<Status> WaitReadable(StopToken stop);
  // The next datagram, its bytes at the start of `buffer`. kNotFound when none is there; other
  // errors are of an earlier send, and the next call goes on.
  Result<Datagram> Take(std::span<std::uint8_t> buffer);
  Status SendTo(Bytes bytes, const Address& to);

  // From here on datagrams come from `peer` alone, and what the network says of those to it is an
  // error of the next call.
  Status Connect(const Address& peer);
  Status Send(Bytes bytes);
  // Take of a connected socket, into memory of its own.
  Result<std::string> TakeWhole();

  Address local() const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace aquifer::io
