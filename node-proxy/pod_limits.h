// The bounds of one pod as one worker applies them: what they refuse, says so and counts it; whose
// handshake gives way to a new one; the pod's lane among those whose work is done in turns; what
// its connections buffer; how many refusals are logged. Owned by PodEndpoint; one thread: its
// worker's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "certs/tls_stream.h"
#include "core/base/list.h"
#include "core/io/buffer_gauge.h"
#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/rate_limiter.h"
#include "core/rt/stop.h"
#include "core/rt/turns.h"
#include "node-proxy/pod_budget.h"

namespace aquifer::node {

// What the pods of one worker share.
struct WorkerLimits {
  WorkerLimits(NodeBudget& node, obs::LimitMetrics& metrics, std::size_t buffer_bytes)
      : node(node), metrics(metrics), buffers(buffer_bytes) {}

  NodeBudget& node;
  obs::LimitMetrics& metrics;
  io::BufferPool buffers;
  // In units of about 0.1 ms on one core.
  static constexpr unsigned kPerTurn = 3;
  static constexpr unsigned kHandshakeStep = 3;
  static constexpr unsigned kNewTunnel = 1;
  Turns turns{kPerTurn};
};

// Peers of a pod that have not proven yet who they are, the oldest first.
class Handshakes {
 public:
  class Entry : private ListNode {
   public:
    explicit Entry(StopToken parent) : stop_(parent) {}
    StopToken token() { return stop_.token(); }
    // The peer is known: from here on the entry can neither be stopped nor does it count.
    void Done() {
      Unlink();
      place_ = Place();
    }

   private:
    friend class Handshakes;
    friend class List<Entry>;
    StopSource stop_;
    Place place_;
  };

  // Ends the oldest handshake.
  void EndOldest();
  bool empty() const { return under_way_.empty(); }
  void Add(Entry& entry, Place place);

 private:
  List<Entry> under_way_;
};

class PodLimits {
 public:
  PodLimits(WorkerLimits& worker, obs::Logger& log, const std::string& uid, std::string ns,
            std::string name);

  // Counts an accepted socket for as long as it is open. False: there is no room, and it is to be
  // reset.
  bool Count(io::Socket& socket);
  // No place when there is no room.
  Place TryEnter(Bound bound);
  // A handshake that begins. When there are as many as the pod may have, the oldest gives way: it
  // has had its time, and a flood of silent ones does not keep out who means well.
  void Begin(Handshakes::Entry& entry);

  // When it is the pod's turn to answer a step of a handshake, to do one of its own, and to open a
  // tunnel: lines of their own, or a flood of strangers would stand before peers that are known.
  certs::Pace PaceOfPeers() { return PaceIn(handshake_lane_); }
  certs::Pace PaceOfDials() { return PaceIn(dial_lane_); }
  Turns::Waiter TurnForTunnel(StopToken stop) {
    return worker_.turns.Enter(tunnel_lane_, WorkerLimits::kNewTunnel, stop);
  }
  const std::shared_ptr<io::BufferGauge>& gauge() const { return gauge_; }
  // What is logged of connections that are refused early: anybody may dial the pod's ports, and the
  // pod anything.
  obs::RateLimiter& refusal_lines() { return refusal_lines_; }

 private:
  // Shared with the gauge, which tunnels keep a moment longer than their pod is here.
  struct Teller {
    void Tell(obs::LimitMetrics::Kind kind);

    obs::LimitMetrics& metrics;
    obs::Logger& log;
    const std::string ns;
    const std::string name;
    obs::RateLimiter lines{1};
  };

  certs::Pace PaceIn(Turns::Lane& lane) {
    return {.turns = &worker_.turns, .lane = &lane, .cost = WorkerLimits::kHandshakeStep};
  }

  WorkerLimits& worker_;
  std::shared_ptr<Teller> teller_;
  std::shared_ptr<PodBudget> budget_;
  std::shared_ptr<io::BufferGauge> gauge_;
  Handshakes handshakes_;
  Turns::Lane handshake_lane_;
  Turns::Lane dial_lane_;
  Turns::Lane tunnel_lane_;
  obs::RateLimiter refusal_lines_{10};
};

}  // namespace aquifer::node
