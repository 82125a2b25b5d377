// The node agent's end of ZDS: listens for node proxies and keeps each of them told of the pods
// that it should serve. Several may be connected while an upgrade lasts; the newest gets new pods,
// all hear of removals. The owner changes the pods at any time; nothing waits for a proxy. One
// thread: its Loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/io/seqpacket.h"
#include "core/obs/log.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "core/rt/stop.h"
#include "core/rt/task.h"
#include "redirect/zds_agent.h"

namespace aquifer::redirect {

struct CniServerOptions {
  std::string path = "/var/run/ztunnel/ztunnel.sock";
  // For the hello, for sending a request, and for its acknowledgement.
  Clock::duration exchange_timeout = std::chrono::seconds(5);
  // Between two accepts: a proxy that dies at once must not keep the agent busy.
  Clock::duration accept_interval = std::chrono::milliseconds(200);
};

class CniServer {
 public:
  // Proxies connected at once; old and new overlap in an upgrade, more is somebody's mistake.
  static constexpr size_t kMaxProxies = 8;

  struct Counters {
    std::uint64_t connections = 0;
    std::uint64_t protocol_errors = 0;  // connections ended because the proxy broke the protocol
    std::uint64_t refused_connections = 0;  // too many at once
    std::uint64_t timeouts = 0;             // connections ended because the proxy did not answer
    std::uint64_t failed_pods = 0;          // answers that a pod is not served
  };

  // The logger outlives the server.
  CniServer(CniServerOptions options, obs::Logger& log) : options_(std::move(options)), log_(log) {}

  // Makes the socket. Before Run.
  Status Listen();
  // Serves proxies until stopped.
  Task<void> Run(StopToken stop);

  void SetPod(Pod pod);
  void RemovePod(const std::string& uid);
  const PodTable& pods() const { return pods_; }

  size_t proxies() const { return proxies_.size(); }
  const Counters& counters() const { return counters_; }
  // What the newest proxy says of a pod.
  ZdsAgent::PodStanding StandingOf(const std::string& uid) const;
  // Whether any proxy may still serve a pod that was removed.
  bool AnyHolds(const std::string& uid) const;
  // Woken, not set, when a proxy has come, gone or answered.
  Event& progress() { return progress_; }

 private:
  // Lives in the frame of Serve.
  struct Proxy {
    io::SeqpacketSocketPtr socket;
    std::uint64_t number = 0;  // for logs
    ZdsAgent agent;
    Event work;  // set when Next may have something to say
  };

  Task<void> Serve(io::SeqpacketSocketPtr socket, StopToken stop);
  Task<Result<io::SeqpacketSocket::Packet>> Receive(Proxy& proxy, StopToken stop);
  Task<Status> Greet(Proxy& proxy, StopToken stop);
  Task<Status> KeepTold(Proxy& proxy, StopToken stop);
  Task<Status> Exchange(Proxy& proxy, ZdsAgent::Outgoing request, StopToken stop);
  Task<Status> WaitForWork(Proxy& proxy, StopToken stop);
  Task<Status> WhatIsReadable(Proxy& proxy, StopToken stop);
  void Report(const Proxy& proxy, const ZdsAgent::Outcome& outcome);
  Status BreaksProtocol(const Proxy& proxy, const Refusal& refusal);
  ProxyRole RoleOf(const Proxy& proxy) const;
  void WakeAll();

  const CniServerOptions options_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{5};
  std::unique_ptr<io::SeqpacketListener> listener_;
  PodTable pods_;
  std::vector<Proxy*> proxies_;  // greeted, oldest first
  size_t serving_ = 0;           // connections, greeted or not
  std::uint64_t next_number_ = 1;
  Counters counters_;
  Event progress_;
};

}  // namespace aquifer::redirect
