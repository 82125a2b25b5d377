// Unix sockets of type SOCK_SEQPACKET: whole packets, each with the descriptors that came with it.
// For ZDS, where an agent hands network namespaces to a proxy. One reader and one writer at a time.
// One thread: its Loop's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"

namespace aquifer::io {

class SeqpacketSocket {
 public:
  struct Packet {
    std::string bytes;
    std::vector<UniqueFd> descriptors;
  };
  // What a packet may bring. One that brings more is refused whole: the kernel cuts it, and a cut
  // message must not be believed.
  struct Limits {
    std::size_t bytes = 1024;
    std::size_t descriptors = 2;
  };

  explicit SeqpacketSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  // The next packet. kPeerClosed at the end (an empty packet cannot be told from it), kBadRequest
  // for one over the limits, which is also what a packet looks like whose descriptors this process
  // has no room for.
  Task<Result<Packet>> Receive(Limits limits, StopToken stop);
  // Sends `packet`, and `descriptor` with it unless it is negative; the caller keeps its own.
  Task<Status> Send(std::string packet, int descriptor, StopToken stop);
  // Ok once a packet or the end is there to be received.
  Task<Status> WaitReadable(StopToken stop);

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

using SeqpacketSocketPtr = std::unique_ptr<SeqpacketSocket>;

class SeqpacketListener {
 public:
  // Only the owner of the process may connect. A stale socket at `path` is replaced.
  static Result<std::unique_ptr<SeqpacketListener>> Listen(const std::string& path);
  explicit SeqpacketListener(UniqueFd fd) : fd_(std::move(fd)) {}

  Task<Result<SeqpacketSocketPtr>> Accept(StopToken stop);

 private:
  UniqueFd fd_;
};

// Waits while the listener's queue is full.
Task<Result<SeqpacketSocketPtr>> ConnectSeqpacket(std::string path, StopToken stop);

}  // namespace aquifer::io
