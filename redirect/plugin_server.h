// The node agent's end of the CNI plugin's socket: takes one request a connection, has it carried
// out and answers. A plugin holds up the start of a pod until it is answered, so each waits on its
// own, bounded in number and time. One thread: its Loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/base/result.h"
#include "core/io/seqpacket.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/event.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "core/rt/timer_queue.h"
#include "redirect/plugin_protocol.h"

namespace aquifer::redirect {

// What the node agent does for a plugin. Several at once, on the server's loop. The value says
// whether the pod is in the mesh, the refusal why it is not as it should be. `stop` fires when the
// time is over or the plugin has gone: then nobody waits any more.
class PluginHandler {
 public:
  virtual ~PluginHandler() = default;

  // Returns when the pod may start.
  virtual Task<Decoded<bool>> Add(PluginRequest request, StopToken stop) = 0;
  virtual Task<Decoded<bool>> Del(PluginRequest request, StopToken stop) = 0;
  virtual Task<Decoded<bool>> Check(PluginRequest request, StopToken stop) = 0;
};

struct PluginServerOptions {
  std::string path = std::string(kPluginSocket);
  // For a request to come, and for its answer to be taken.
  Clock::duration exchange_timeout = std::chrono::seconds(5);
  // For carrying it out. Less than a plugin waits, so that it hears what was missing.
  Clock::duration answer_timeout = std::chrono::seconds(25);
};

class PluginServer {
 public:
  // Beyond that connections wait in the socket's queue, and then their plugins.
  static constexpr size_t kMaxExchanges = 256;

  struct Counters {
    std::uint64_t requests = 0;
    std::uint64_t failed_requests = 0;   // answered with an error
    std::uint64_t broken_exchanges = 0;  // no request, or nobody there for the answer
  };

  // The handler and the logger outlive the server.
  PluginServer(PluginServerOptions options, PluginHandler& handler, obs::Logger& log)
      : options_(std::move(options)), handler_(handler), log_(log) {}

  // Makes the socket. Before Run.
  Status Listen();
  // Serves plugins until stopped.
  Task<void> Run(StopToken stop);

  const Counters& counters() const { return counters_; }
  const std::string& path() const { return options_.path; }

 private:
  Task<void> Serve(io::SeqpacketSocketPtr socket, StopToken stop);
  Task<Status> Exchange(io::SeqpacketSocket& socket, StopToken stop);
  Task<Result<std::string>> Receive(io::SeqpacketSocket& socket, StopToken stop);
  Task<PluginAnswer> Answer(std::string packet, io::SeqpacketSocket& socket, StopToken stop);
  Task<PluginAnswer> CarryOut(PluginRequest request, io::SeqpacketSocket& socket, StopToken stop);
  Task<Decoded<bool>> Hand(PluginRequest request, StopToken stop);

  const PluginServerOptions options_;
  PluginHandler& handler_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{5};
  std::unique_ptr<io::SeqpacketListener> listener_;
  size_t serving_ = 0;
  Event freed_;  // one fewer is served
  Counters counters_;
};

}  // namespace aquifer::redirect
