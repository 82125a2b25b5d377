#include "waypoint/telemetry.h"

#include <vector>

namespace aquifer::waypoint {
namespace {

constexpr std::size_t kMaxCachedSeries = 4096;

// Envoy's own bounds, so that dashboards' quantiles stay what they were.
std::vector<double> Bounds() {
  return {0.5,  1,    5,    10,   25,   50,    100,   250,    500,   1000,
          2500, 5000, 10e3, 30e3, 60e3, 300e3, 600e3, 1800e3, 3600e3};
}

std::string OrUnknown(const std::string& text) { return text.empty() ? "unknown" : text; }

// The first label of a service's host name is the service's name.
std::string FirstLabel(const std::string& hostname) {
  return hostname.substr(0, hostname.find('.'));
}

struct LabelSet {
  std::vector<std::pair<std::string_view, std::string>> items;

  void Add(std::string_view name, const std::string& value) {
    items.emplace_back(name, OrUnknown(value));
  }
  std::vector<obs::Label> view() const {
    std::vector<obs::Label> labels;
    for (const auto& [name, value] : items) labels.push_back({name, value});
    return labels;
  }
  std::string key() const {
    std::string key;
    for (const auto& [name, value] : items) {
      key += value;
      key += '\0';
    }
    return key;
  }
};

// The workload behind the client's address, if it is who it proved to be.
mesh::WorkloadRef SourceOf(const mesh::SnapshotRef& snapshot, const std::string& network,
                           const ConnectionContext& context) {
  if (snapshot == nullptr) return nullptr;
  mesh::WorkloadRef workload = snapshot->FindWorkloadAt({network, context.peer_address.ip});
  if (workload == nullptr || !context.peer || workload->identity() != *context.peer) return nullptr;
  return workload;
}

void AddSource(const ConnectionContext& context, const mesh::WorkloadRef& source,
               LabelSet& labels) {
  const mesh::Workload none{};
  const mesh::Workload& workload = source == nullptr ? none : *source;
  const bool known = source != nullptr;
  labels.Add("source_workload", workload.workload_name);
  labels.Add("source_canonical_service", workload.canonical_name);
  labels.Add("source_canonical_revision", workload.canonical_revision);
  labels.Add("source_workload_namespace", context.peer ? context.peer->ns : "");
  labels.Add("source_principal", context.peer ? context.peer->ToString() : "");
  labels.Add("source_app", workload.canonical_name);
  labels.Add("source_version", workload.canonical_revision);
  labels.Add("source_cluster", known ? workload.cluster_id : "");
}

void AddDestination(const RequestRecord& record, LabelSet& labels) {
  const Endpoint& endpoint = record.endpoint;
  const ServiceRef none;
  const ServiceRef& service = record.service ? *record.service : none;
  labels.Add("destination_workload", endpoint.workload);
  labels.Add("destination_workload_namespace", endpoint.workload_namespace);
  labels.Add("destination_principal", endpoint.principal);
  labels.Add("destination_app", endpoint.canonical_name);
  labels.Add("destination_version", endpoint.canonical_revision);
  labels.Add("destination_service", service.hostname);
  labels.Add("destination_canonical_service", endpoint.canonical_name);
  labels.Add("destination_canonical_revision", endpoint.canonical_revision);
  labels.Add("destination_service_name", FirstLabel(service.hostname));
  labels.Add("destination_service_namespace", service.ns);
  labels.Add("destination_cluster", endpoint.cluster);
}

}  // namespace

RequestMetrics::RequestMetrics(obs::Registry& registry)
    : requests(registry.AddCounter(
          {.name = "istio_requests", .help = "Requests handled by the waypoint", .unit = ""})),
      duration(registry.AddHistogram({.name = "istio_request_duration_milliseconds",
                                      .help = "Time from the request's head to the response's end",
                                      .unit = "milliseconds"},
                                     Bounds())),
      request_bytes(registry.AddHistogram(
          {.name = "istio_request_bytes", .help = "Size of request bodies", .unit = "bytes"},
          Bounds())),
      response_bytes(registry.AddHistogram(
          {.name = "istio_response_bytes", .help = "Size of response bodies", .unit = "bytes"},
          Bounds())),
      request_messages(registry.AddCounter(
          {.name = "istio_request_messages", .help = "gRPC messages from clients", .unit = ""})),
      response_messages(registry.AddCounter(
          {.name = "istio_response_messages", .help = "gRPC messages to clients", .unit = ""})),
      tcp_opened(registry.AddCounter(
          {.name = "istio_tcp_connections_opened", .help = "TCP connections opened", .unit = ""})),
      tcp_closed(registry.AddCounter(
          {.name = "istio_tcp_connections_closed", .help = "TCP connections closed", .unit = ""})),
      tcp_sent(registry.AddCounter(
          {.name = "istio_tcp_sent_bytes", .help = "Bytes sent to clients", .unit = "bytes"})),
      tcp_received(registry.AddCounter({.name = "istio_tcp_received_bytes",
                                        .help = "Bytes received from clients",
                                        .unit = "bytes"})) {}

void Telemetry::Observe(const ConnectionContext& context, const RequestRecord& record) {
  Count(context, record);
  if (access_log_ && record.moment != RequestRecord::Moment::kOpened) Log(context, record);
}

void Telemetry::CountConnection(const RequestRecord& record,
                                const std::vector<obs::Label>& labels) {
  using Moment = RequestRecord::Moment;
  if (record.moment != Moment::kEnded) metrics_.tcp_opened.With(labels)->Add();
  if (record.moment == Moment::kOpened) return;
  metrics_.tcp_closed.With(labels)->Add();
  metrics_.tcp_sent.With(labels)->Add(record.response_bytes);
  metrics_.tcp_received.With(labels)->Add(record.request_bytes);
}

Telemetry::Series Telemetry::MakeSeries(const RequestRecord& record,
                                        const std::vector<obs::Label>& labels) {
  Series series{.requests = metrics_.requests.With(labels),
                .duration = metrics_.duration.With(labels),
                .request_bytes = metrics_.request_bytes.With(labels),
                .response_bytes = metrics_.response_bytes.With(labels),
                .request_messages = std::nullopt,
                .response_messages = std::nullopt};
  if (record.grpc) {
    series.request_messages = metrics_.request_messages.With(labels);
    series.response_messages = metrics_.response_messages.With(labels);
  }
  return series;
}

void Telemetry::Count(const ConnectionContext& context, const RequestRecord& record) {
  const bool udp = record.protocol == "UDP";
  const bool tcp = udp || record.protocol == "TCP";
  LabelSet labels;
  labels.Add("reporter", context.edge == Edge::kGateway ? "source" : "waypoint");
  AddSource(context, SourceOf(mesh_.snapshot, own_.network, context), labels);
  AddDestination(record, labels);
  labels.Add("request_protocol", udp ? "udp" : tcp ? "tcp" : record.grpc ? "grpc" : "http");
  if (!tcp) labels.Add("response_code", std::to_string(record.status));
  if (record.grpc) {
    labels.Add("grpc_response_status",
               record.grpc_status < 0 ? "" : std::to_string(record.grpc_status));
  }
  labels.Add("response_flags", record.flags);
  labels.Add("connection_security_policy", context.peer ? "mutual_tls" : "none");
  if (tcp) return CountConnection(record, labels.view());
  const std::string key = labels.key();
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= kMaxCachedSeries) series_.clear();
    found = series_.emplace(key, MakeSeries(record, labels.view())).first;
  }
  Series& series = found->second;
  series.requests->Add();
  series.duration->Observe(static_cast<double>(record.duration.count()));
  series.request_bytes->Observe(static_cast<double>(record.request_bytes));
  series.response_bytes->Observe(static_cast<double>(record.response_bytes));
  if (series.request_messages) (*series.request_messages)->Add(record.request_messages);
  if (series.response_messages) (*series.response_messages)->Add(record.response_messages);
}

void Telemetry::Log(const ConnectionContext& context, const RequestRecord& record) {
  const std::string source = context.peer ? context.peer->ToString() : "";
  const std::string peer = context.peer_address.ToString();
  const std::string local = context.local_address.ToString();
  const std::string upstream =
      record.endpoint.key.empty() ? "" : record.endpoint.address.ToString();
  const std::string service = record.service ? record.service->hostname : "";
  std::vector<obs::Field> fields;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) fields.push_back({key, obs::FieldValue(value)});
  };
  add("method", record.method);
  add("path", record.path);
  add("protocol", record.protocol);
  fields.push_back({"status", record.status});
  if (record.grpc) fields.push_back({"grpc_status", record.grpc_status});
  add("flags", record.flags);
  add("details", record.details);
  fields.push_back({"bytes_received", record.request_bytes});
  fields.push_back({"bytes_sent", record.response_bytes});
  fields.push_back({"duration_ms", record.duration.count()});
  if (record.upstream_time.count() >= 0) {
    fields.push_back({"upstream_ms", record.upstream_time.count()});
  }
  add("authority", record.authority);
  add("forwarded_for", record.forwarded_for);
  add("user_agent", record.user_agent);
  add("request_id", record.request_id);
  add("src.addr", peer);
  add("src.identity", source);
  add("dst.addr", local);
  add("dst.service", service);
  add("dst.identity", record.endpoint.principal);
  add("upstream", upstream);
  add("route", record.route);
  if (record.shadow_allowed) {
    add("dry_run", *record.shadow_allowed ? "allowed" : "denied");
    add("dry_run_policy", record.shadow_policy);
  }
  log_.Log(obs::Level::kInfo, "access", "request complete", fields);
}

}  // namespace aquifer::waypoint
