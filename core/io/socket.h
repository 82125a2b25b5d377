// Stream sockets: TCP and Unix, listening, dialling, reading and writing. Descriptors may come from
// elsewhere (another network namespace); once made they stay where they were made. One thread: its
// Loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/address.h"
#include "core/base/unique_fd.h"
#include "core/io/stream.h"
#include "core/rt/timer_queue.h"

namespace aquifer::io {

// Who keeps count of sockets, and is told when one is closed. On that socket's thread.
class SocketCount {
 public:
  virtual ~SocketCount() = default;
  virtual void Return() = 0;
};

class Socket final : public Stream {
 public:
  // A connected stream socket.
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)) {}
  ~Socket() override {
    if (count_ != nullptr) count_->Return();
  }

  Task<Result<Chunk>> Read(StopToken stop) override;
  Task<Status> Write(Chunk chunk, StopToken stop) override;
  Task<Status> WriteMany(std::vector<Chunk> chunks, StopToken stop) override;
  Task<Status> ShutdownWrite(StopToken stop) override;
  Task<Status> WaitBroken(StopToken stop) override;
  // The same for who has to know within `longest`, rather than in about the time that the silence
  // has lasted.
  Task<Status> WaitBroken(StopToken stop, Clock::duration longest);
  void Reset() override;

  int fd() const { return fd_.get(); }
  // It has been counted; once.
  void CountedBy(std::shared_ptr<SocketCount> count) { count_ = std::move(count); }
  // Asked of the kernel once and kept; 0.0.0.0:0 for a Unix socket or a connection that is gone.
  const Address& peer();
  const Address& local();

 private:
  Task<Result<Chunk>> ReadBurst(StopToken stop);
  Result<Chunk> End() const;
  bool IsClosed() const;

  UniqueFd fd_;
  bool write_ended_ = false;
  bool burst_ = false;  // the last read filled its buffer: more is probably waiting
  std::optional<Address> peer_;
  std::optional<Address> local_;
  std::shared_ptr<SocketCount> count_;
};

using SocketPtr = std::unique_ptr<Socket>;

// TCP_NODELAY, and keep-alive at the ages that Istio's node proxy uses (180 s, then nine probes 180
// s apart).
void SetTunnelOptions(int fd);

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;
};

class Listener {
 public:
  // Binds and listens on TCP. A v6 wildcard takes v4 too.
  static Result<std::unique_ptr<Listener>> Listen(const Address& address,
                                                  const ListenOptions& options = {});
  // A socket that listens already.
  explicit Listener(UniqueFd fd) : fd_(std::move(fd)) {}

  // The next connection. kOverload when descriptors ran out: the caller waits a moment and goes on.
  Task<Result<SocketPtr>> Accept(StopToken stop);
  // With the port that the kernel chose.
  Address local() const;
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

// Dials TCP. The stop's reason says whether a deadline passed (core/rt/timer.h: TimedStop).
Task<Result<SocketPtr>> Connect(Address address, StopToken stop);
// Dials with a socket that the caller made (marked, bound, in another network namespace).
Task<Result<SocketPtr>> ConnectWith(UniqueFd fd, Address address, StopToken stop);

}  // namespace aquifer::io
