// The node proxy's end of ZDS: keeps a connection to the node agent, turns its requests into pods
// that start and stop, acknowledges, and knows whether the proxy is ready. main's control loop runs
// it; what it tells (ready, counters) may be read from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/io/seqpacket.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "core/rt/timer_queue.h"
#include "redirect/pod.h"
#include "redirect/zds_proxy.h"

namespace aquifer::redirect {

// What the proxy does with pods. Called one at a time, on the client's loop.
class PodHandler {
 public:
  virtual ~PodHandler() = default;

  // Serves the pod from its return on, or says why not. The agent waits five seconds for the
  // answer.
  virtual Task<Result<void, std::string>> StartPod(Pod pod, StopToken stop) = 0;
  // Ends the proxy of a pod that was started, connections and all; returns when it has ended.
  virtual Task<void> StopPod(std::string uid) = 0;
};

struct CniClientOptions {
  std::string path = "/var/run/ztunnel/ztunnel.sock";
  Clock::duration first_backoff = std::chrono::milliseconds(10);
  Clock::duration longest_backoff = std::chrono::seconds(15);
  Clock::duration retry_pending_after = std::chrono::seconds(5);
  Clock::duration send_timeout = std::chrono::seconds(5);
};

class CniClient {
 public:
  struct Counters {
    std::atomic<std::uint64_t> connections = 0;
    std::atomic<std::uint64_t> requests = 0;
    std::atomic<std::uint64_t> protocol_errors = 0;
    std::atomic<std::uint64_t> refused_pods = 0;  // with what cannot be used as a pod
    std::atomic<std::uint64_t> failed_starts = 0;
    std::atomic<std::size_t> running_pods = 0;
    std::atomic<std::size_t> pending_pods = 0;
  };

  // The handler and the logger outlive the client.
  CniClient(CniClientOptions options, PodHandler& handler, obs::Logger& log)
      : options_(std::move(options)), handler_(handler), log_(log) {}

  // Until stopped. Pods that are running then stay so: ending them gracefully is the owner's
  // affair. A message that breaks the protocol ends the connection, not the pods; the next
  // connection begins with a snapshot, which mends whatever was missed.
  Task<void> Run(StopToken stop);

  // The snapshot is complete, no pod is pending, and the agent is there.
  bool ready() const { return ready_; }
  const Counters& counters() const { return counters_; }

 private:
  Task<Status> Serve(io::SeqpacketSocket& agent, StopToken stop);
  Task<Status> ServeNext(io::SeqpacketSocket& agent, StopToken stop);
  Task<Decoded<std::string>> Handle(ZdsRequest request, StopToken stop);
  Decoded<ZdsProxy::Steps> Judge(ZdsRequest request);
  Task<std::string> CarryOut(ZdsProxy::Steps steps, StopToken stop);
  Task<std::string> Start(Pod pod, StopToken stop);
  Task<void> RetryPending(StopToken stop);
  Task<Status> WaitBackoff(StopToken stop);
  Status BreaksProtocol(const Refusal& refusal);
  void Publish();

  const CniClientOptions options_;
  PodHandler& handler_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{5};
  ZdsProxy state_;
  Clock::duration backoff_{};
  std::optional<TimePoint> retry_at_;  // of pending pods
  std::atomic<bool> ready_ = false;
  Counters counters_;
};

}  // namespace aquifer::redirect
