#include "core/obs/tcp_metrics.h"

#include <utility>

namespace aquifer::obs {
namespace {

CounterFamily& AddFamily(Registry& registry, std::string_view name, std::string_view help,
                         size_t max_label_sets) {
  return registry.AddCounter({.name = "istio_tcp_" + std::string(name),
                              .help = std::string(help),
                              .max_series = max_label_sets,
                              .expires = true});
}

// By Reporter.
std::array<Handle<Gauge>, 2> AddSockets(Registry& registry) {
  GaugeFamily& family = registry.AddGauge(
      {.name = "istio_tcp_sockets_open", .help = "TCP sockets open now (unstable)"});
  return {family.With({{"reporter", ReporterWord(Reporter::kSource)}}),
          family.With({{"reporter", ReporterWord(Reporter::kDestination)}})};
}

}  // namespace

std::string_view ReporterWord(Reporter reporter) {
  return reporter == Reporter::kSource ? "source" : "destination";
}

std::string_view OrUnknown(std::string_view value) { return value.empty() ? "unknown" : value; }

std::vector<Label> SourceLabelList(const TcpPeerLabels& source) {
  return {{"source_workload", OrUnknown(source.workload)},
          {"source_canonical_service", OrUnknown(source.canonical_service)},
          {"source_canonical_revision", OrUnknown(source.canonical_revision)},
          {"source_workload_namespace", OrUnknown(source.workload_namespace)},
          {"source_principal", OrUnknown(source.principal)},
          {"source_app", OrUnknown(source.app)},
          {"source_version", OrUnknown(source.version)},
          {"source_cluster", OrUnknown(source.cluster)}};
}

std::vector<Label> TcpLabelList(const TcpLabels& labels, std::string_view response_flags) {
  const TcpPeerLabels& source = labels.source;
  const TcpPeerLabels& destination = labels.destination;
  std::vector<Label> list = {{"reporter", ReporterWord(labels.reporter)}};
  const std::vector<Label> of_source = SourceLabelList(source);
  list.insert(list.end(), of_source.begin(), of_source.end());
  const std::initializer_list<Label> rest = {
      {"destination_service", OrUnknown(labels.destination_service)},
      {"destination_service_namespace", OrUnknown(labels.destination_service_namespace)},
      {"destination_service_name", OrUnknown(labels.destination_service_name)},
      {"destination_workload", OrUnknown(destination.workload)},
      {"destination_canonical_service", OrUnknown(destination.canonical_service)},
      {"destination_canonical_revision", OrUnknown(destination.canonical_revision)},
      {"destination_workload_namespace", OrUnknown(destination.workload_namespace)},
      {"destination_principal", OrUnknown(destination.principal)},
      {"destination_app", OrUnknown(destination.app)},
      {"destination_version", OrUnknown(destination.version)},
      {"destination_cluster", OrUnknown(destination.cluster)},
      {"request_protocol", "tcp"},
      {"response_flags", response_flags},
      {"connection_security_policy", labels.mutual_tls ? "mutual_tls" : "unknown"},
      {"source_region", OrUnknown(source.region)},
      {"source_zone", OrUnknown(source.zone)},
      {"destination_region", OrUnknown(destination.region)},
      {"destination_zone", OrUnknown(destination.zone)},
  };
  list.insert(list.end(), rest);
  return list;
}

// The release pairs with ForgetIdle's acquire: the series are left alone from here on.
void TcpConnection::Close(Reason reason) {
  if (series_ == nullptr) return;
  TcpSeries& series = *std::exchange(series_, nullptr);
  if (reason == Reason::kOk) {
    series.closed->Add();
  } else {
    metrics_->Fail(series, reason);
  }
  series.connections.fetch_sub(1, std::memory_order_release);
}

TcpMetrics::TcpMetrics(Registry& registry, size_t max_label_sets)
    : max_label_sets_(max_label_sets),
      opened_(AddFamily(registry, "connections_opened", "TCP connections opened", max_label_sets)),
      closed_(AddFamily(registry, "connections_closed", "TCP connections closed", max_label_sets)),
      failed_(AddFamily(registry, "connections_failed",
                        "TCP connections that ended in an error (unstable)", max_label_sets)),
      received_(AddFamily(registry, "received_bytes", "Bytes that TCP clients sent to servers",
                          max_label_sets)),
      sent_(AddFamily(registry, "sent_bytes", "Bytes that TCP servers sent to clients",
                      max_label_sets)),
      sockets_(AddSockets(registry)) {}

TcpConnection TcpMetrics::Open(const TcpLabels& labels) {
  TcpSeries& series = Find(labels);
  series.opened->Add();
  return TcpConnection(*this, series);
}

OpenSocket TcpMetrics::CountSocket(Reporter reporter) {
  return OpenSocket(sockets_.at(static_cast<size_t>(reporter)));
}

void TcpMetrics::Fail(const TcpSeries& series, Reason reason) {
  const std::vector<Label> labels = TcpLabelList(series.labels, ResponseFlag(reason));
  (series.overflow ? closed_.Other(labels) : closed_.With(labels))->Add();
  (series.overflow ? failed_.Other(labels) : failed_.With(labels))->Add();
}

// Counts the connection under the lock, so that ForgetIdle cannot take the series away in between.
TcpSeries& TcpMetrics::Find(const TcpLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto known = by_labels_.find(labels);
  if (known == by_labels_.end() && by_labels_.size() >= max_label_sets_) {
    TcpSeries& overflow = Overflow(labels);
    overflow.connections.fetch_add(1, std::memory_order_relaxed);
    return overflow;
  }
  if (known == by_labels_.end()) known = by_labels_.emplace(labels, Make(labels)).first;
  known->second->connections.fetch_add(1, std::memory_order_relaxed);
  return *known->second;
}

std::unique_ptr<TcpSeries> TcpMetrics::Make(const TcpLabels& labels) {
  const std::vector<Label> list = TcpLabelList(labels, "-");
  return std::make_unique<TcpSeries>(labels, opened_.With(list), closed_.With(list),
                                     received_.With(list), sent_.With(list));
}

TcpSeries& TcpMetrics::Overflow(const TcpLabels& labels) {
  if (overflow_ == nullptr) {
    const std::vector<Label> list = TcpLabelList(labels, "-");
    overflow_ = std::make_unique<TcpSeries>(labels, opened_.Other(list), closed_.Other(list),
                                            received_.Other(list), sent_.Other(list));
    overflow_->overflow = true;
  } else {
    opened_.CountOverflow();
  }
  return *overflow_;
}

void TcpMetrics::ForgetIdle() {
  const std::lock_guard lock(mutex_);
  absl::erase_if(by_labels_, [](const auto& known) {
    return known.second->connections.load(std::memory_order_acquire) == 0;
  });
}

}  // namespace aquifer::obs
