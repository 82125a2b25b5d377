// The other families that ztunnel's dashboards read: what runs (istio_build), the configuration
// stream (istio_xds_*) and the pods served (workload_manager_*). One object each in a program; the
// registry outlives them. Any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/reason.h"
#include "core/obs/metrics.h"

namespace aquifer::obs {

// istio_build{component="...",tag="..."} 1, for as long as the registry lives.
void AddBuildInfo(Registry& registry, std::string_view component, std::string_view tag);

// aquifer_io_backend{backend="..."} 1: how the loops reach the kernel.
void AddIoBackend(Registry& registry, std::string_view backend);

class XdsMetrics {
 public:
  explicit XdsMetrics(Registry& registry);

  // A response of `bytes` for the type URL was taken in.
  void CountMessage(std::string_view type_url, std::uint64_t bytes);
  // A word from a closed list of the client's, such as "connection_error", "reconnect", "complete".
  void CountTermination(std::string_view reason);

 private:
  CounterFamily& messages_;
  CounterFamily& message_bytes_;
  CounterFamily& terminations_;
};

// What came to an HBONE port and did not become a tunnel: aquifer_hbone_refused{stage,reason}; and
// what we asked of others that they refused: aquifer_hbone_answers{status,reason}.
class HboneMetrics {
 public:
  enum class Stage : std::uint8_t {
    kHandshake,   // TLS: who the peer is
    kConnection,  // HTTP/2 broken by an authenticated peer
    kRequest,     // a CONNECT that is none, or for what is not served here
  };
  explicit HboneMetrics(Registry& registry);

  void CountRefused(Stage stage, Reason reason);
  // A peer answered our CONNECT with `status`. Those that no HBONE server gives count as "other".
  void CountAnswer(int status, Reason reason);

 private:
  CounterFamily& refused_;
  CounterFamily& answers_;
};

// What a pod was refused because it had its part: aquifer_pod_limit_refusals{kind}.
class LimitMetrics {
 public:
  enum class Kind : std::uint8_t { kConnections, kHandshakes, kDials, kMemory, kDns };
  explicit LimitMetrics(Registry& registry);

  void CountRefusal(Kind kind) { refusals_[static_cast<std::size_t>(kind)]->Add(); }
  static std::string_view Word(Kind kind);

 private:
  std::vector<Handle<Counter>> refusals_;  // by kind
};

class WorkloadManagerMetrics {
 public:
  explicit WorkloadManagerMetrics(Registry& registry);

  void ProxyPending() { pending_->Add(1); }
  void PendingProxyGone() { pending_->Add(-1); }
  void ProxyStarted() {
    active_->Add(1);
    started_->Add();
  }
  void ProxyStopped() {
    active_->Add(-1);
    stopped_->Add();
  }

 private:
  const Handle<Gauge> active_;
  const Handle<Gauge> pending_;
  const Handle<Counter> started_;
  const Handle<Counter> stopped_;
};

}  // namespace aquifer::obs
