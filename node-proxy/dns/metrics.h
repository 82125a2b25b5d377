// The istio_dns_* families. One object for the process, which the registry outlives; a pod's server
// counts through a PodCounters, which knows its series already. Families: any thread; a PodCounters
// belongs to one worker.
#pragma once

#include <array>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "core/obs/metrics.h"
#include "core/rt/timer_queue.h"
#include "mesh/workload.h"

namespace aquifer::node::dns {

enum class Protocol : std::uint8_t { kUdp, kTcp };

class DnsMetrics {
 public:
  explicit DnsMetrics(obs::Registry& registry);

 private:
  friend class PodCounters;
  obs::CounterFamily& requests_;
  obs::CounterFamily& forwarded_;
  obs::CounterFamily& failures_;
  obs::HistogramFamily& durations_;
};

class PodCounters {
 public:
  explicit PodCounters(DnsMetrics& metrics) : metrics_(metrics) {}

  // `client` null: who asks is not known.
  void Request(const mesh::Workload* client, std::uint16_t type, Protocol protocol);
  void Forwarded(const mesh::Workload& client, std::uint16_t type, Protocol protocol,
                 Clock::duration took, bool answered);

 private:
  struct Row {
    obs::Handle<obs::Counter> requests;
    obs::Handle<obs::Counter> forwarded;  // this and those below: once there was one
    obs::Handle<obs::Counter> failures;
    obs::Handle<obs::Histogram> durations;
  };
  using Labels = std::array<obs::Label, 4>;

  Labels LabelsOf(std::uint16_t type, Protocol protocol) const;
  Row& Find(const mesh::Workload* client, std::uint16_t type, Protocol protocol);

  DnsMetrics& metrics_;
  // Of whom the rows are.
  std::string service_;
  std::string revision_;
  absl::flat_hash_map<std::string, Row> rows_;  // by type and protocol
};

}  // namespace aquifer::node::dns
