// One listener of a captured pod, as one worker serves it. Its connections are counted as the pod's
// and passed on until the pod's serving ends; in an upgrade none is lost (redirect/hand_over.h).
// Counts as a descriptor of the node's for as long as it lives. Owned by who serves the
// connections; one thread: its worker's.
#pragma once

#include <functional>
#include <memory>

#include "core/io/socket.h"
#include "node-proxy/ending.h"
#include "node-proxy/pod_endpoint.h"

namespace aquifer::node {

class Acceptor {
 public:
  using Take = std::function<void(io::SocketPtr)>;

  // Of a socket that listens already.
  Acceptor(WorkerContext& context, PodEndpoint& pod, UniqueFd listening);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Gives each connection to `take`; once `ending` has begun it closes the listener and returns.
  Task<void> Run(Ending& ending, Take take);
  // Port 0 when it is closed.
  Address local() const { return listener_ == nullptr ? Address{} : listener_->local(); }

 private:
  Task<void> TakeUntil(StopToken over, const Take& take);
  Task<void> TakeLast(StopToken stop, const Take& take);

  WorkerContext& context_;
  PodEndpoint& pod_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace aquifer::node
