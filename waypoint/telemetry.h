// Counts and logs requests the way Istio's dashboards and people read them: istio_requests_total
// and its companions with reporter="waypoint", and one access log line a request. One a worker, on
// its thread; the registry and the logger are shared.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <optional>
#include <string>
#include <vector>

#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "waypoint/connection_context.h"
#include "waypoint/mesh_backends.h"
#include "waypoint/request_record.h"

namespace aquifer::waypoint {

// The families, made once for the process.
struct RequestMetrics {
  explicit RequestMetrics(obs::Registry& registry);

  obs::CounterFamily& requests;
  obs::HistogramFamily& duration;
  obs::HistogramFamily& request_bytes;
  obs::HistogramFamily& response_bytes;
  obs::CounterFamily& request_messages;
  obs::CounterFamily& response_messages;
  obs::CounterFamily& tcp_opened;
  obs::CounterFamily& tcp_closed;
  obs::CounterFamily& tcp_sent;
  obs::CounterFamily& tcp_received;
};

class Telemetry {
 public:
  // All references outlive it.
  Telemetry(RequestMetrics& metrics, obs::Logger& log, const MeshSlot& mesh, const OwnWorkload& own,
            bool access_log)
      : metrics_(metrics), log_(log), mesh_(mesh), own_(own), access_log_(access_log) {}

  void Observe(const ConnectionContext& context, const RequestRecord& record);

 private:
  struct Series {
    obs::Handle<obs::Counter> requests;
    obs::Handle<obs::Histogram> duration;
    obs::Handle<obs::Histogram> request_bytes;
    obs::Handle<obs::Histogram> response_bytes;
    // Of gRPC only.
    std::optional<obs::Handle<obs::Counter>> request_messages;
    std::optional<obs::Handle<obs::Counter>> response_messages;
  };

  void Count(const ConnectionContext& context, const RequestRecord& record);
  void CountConnection(const RequestRecord& record, const std::vector<obs::Label>& labels);
  Series MakeSeries(const RequestRecord& record, const std::vector<obs::Label>& labels);
  void Log(const ConnectionContext& context, const RequestRecord& record);

  RequestMetrics& metrics_;
  obs::Logger& log_;
  const MeshSlot& mesh_;
  const OwnWorkload& own_;
  const bool access_log_;
  absl::flat_hash_map<std::string, Series> series_;  // by all label values
};

}  // namespace aquifer::waypoint
