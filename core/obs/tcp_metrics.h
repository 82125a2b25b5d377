// The istio_tcp_* families that dashboards and Kiali read. One object for the process; a connection
// is opened with its labels at the cost of one hash lookup and then counts through handles, without
// a lock. Label sets nobody has open are forgotten by ForgetIdle, so that the registry can expire
// their series. Any thread; a TcpConnection belongs to the one that carries the connection.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/reason.h"
#include "core/obs/metrics.h"

namespace aquifer::obs {

// Which side of the connection reports: the client's node or the server's.
enum class Reporter : std::uint8_t { kSource, kDestination };
std::string_view ReporterWord(Reporter reporter);

struct TcpPeerLabels {
  std::string workload;  // name of the owner, such as the Deployment
  std::string canonical_service;
  std::string canonical_revision;
  std::string workload_namespace;
  std::string principal;  // a full spiffe:// URI
  std::string app;
  std::string version;
  std::string cluster;
  std::string region;
  std::string zone;

  friend bool operator==(const TcpPeerLabels&, const TcpPeerLabels&) = default;
  template <class H>
  friend H AbslHashValue(H h, const TcpPeerLabels& p) {
    return H::combine(std::move(h), p.workload, p.canonical_service, p.canonical_revision,
                      p.workload_namespace, p.principal, p.app, p.version, p.cluster, p.region,
                      p.zone);
  }
};

// What is empty is shown as "unknown".
struct TcpLabels {
  Reporter reporter = Reporter::kSource;
  TcpPeerLabels source;
  std::string destination_service;
  std::string destination_service_namespace;
  std::string destination_service_name;
  TcpPeerLabels destination;
  bool mutual_tls = false;  // connection_security_policy

  friend bool operator==(const TcpLabels&, const TcpLabels&) = default;
  template <class H>
  friend H AbslHashValue(H h, const TcpLabels& l) {
    return H::combine(std::move(h), l.reporter, l.source, l.destination_service,
                      l.destination_service_namespace, l.destination_service_name, l.destination,
                      l.mutual_tls);
  }
};

// "unknown" for what is empty.
std::string_view OrUnknown(std::string_view value);
// Who the client was, borrowed from `source`; without where it was.
std::vector<Label> SourceLabelList(const TcpPeerLabels& source);
// The labels in the order of the exposition, borrowed from `labels`.
std::vector<Label> TcpLabelList(const TcpLabels& labels, std::string_view response_flags);

// The series of one label set. They belong to TcpMetrics, connections only point to them.
struct TcpSeries {
  TcpSeries(TcpLabels the_labels, Handle<Counter> the_opened, Handle<Counter> the_closed,
            Handle<Counter> the_received, Handle<Counter> the_sent)
      : labels(std::move(the_labels)),
        opened(std::move(the_opened)),
        closed(std::move(the_closed)),
        received(std::move(the_received)),
        sent(std::move(the_sent)) {}

  const TcpLabels labels;
  const Handle<Counter> opened;
  const Handle<Counter> closed;  // with the flag of a good end, "-"
  const Handle<Counter> received;
  const Handle<Counter> sent;
  bool overflow = false;
  std::atomic<std::uint32_t> connections{0};
};

class TcpMetrics;

// One open connection. It counts as closed at the latest when it dies. TcpMetrics outlives it.
class TcpConnection {
 public:
  TcpConnection() = default;
  TcpConnection(TcpConnection&& other) noexcept
      : metrics_(other.metrics_), series_(std::exchange(other.series_, nullptr)) {}
  TcpConnection& operator=(TcpConnection other) noexcept {
    std::swap(metrics_, other.metrics_);
    std::swap(series_, other.series_);
    return *this;
  }
  ~TcpConnection() { Close(Reason::kOk); }

  // istio_tcp_received_bytes, whichever side reports. Not after Close.
  void AddClientToServer(std::uint64_t bytes) { series_->received->Add(bytes); }
  // istio_tcp_sent_bytes, whichever side reports. Not after Close.
  void AddServerToClient(std::uint64_t bytes) { series_->sent->Add(bytes); }
  // Anything but kOk counts as failed too and says so in response_flags. Calls after the first
  // change nothing.
  void Close(Reason reason);

 private:
  friend class TcpMetrics;
  TcpConnection(TcpMetrics& metrics, TcpSeries& series) : metrics_(&metrics), series_(&series) {}

  TcpMetrics* metrics_ = nullptr;
  TcpSeries* series_ = nullptr;
};

// Counts one accepted or dialled socket in istio_tcp_sockets_open for as long as it lives.
class OpenSocket {
 public:
  OpenSocket() = default;
  explicit OpenSocket(Handle<Gauge> gauge) : gauge_(std::move(gauge)) { gauge_->Add(1); }
  OpenSocket(OpenSocket&&) noexcept = default;
  OpenSocket& operator=(OpenSocket other) noexcept {
    std::swap(gauge_, other.gauge_);
    return *this;
  }
  ~OpenSocket() {
    if (gauge_) gauge_->Add(-1);
  }

 private:
  Handle<Gauge> gauge_;
};

class TcpMetrics {
 public:
  // `registry` outlives this. Each family and the table of label sets in use have at most
  // `max_label_sets` entries.
  explicit TcpMetrics(Registry& registry, size_t max_label_sets = 20'000);
  TcpMetrics(const TcpMetrics&) = delete;
  TcpMetrics& operator=(const TcpMetrics&) = delete;

  TcpConnection Open(const TcpLabels& labels);
  OpenSocket CountSocket(Reporter reporter);
  // How many such are open.
  std::int64_t sockets() const { return sockets_[0]->value() + sockets_[1]->value(); }

  // Lets go of the label sets that no connection has open. Call before Registry::ExpireIdle.
  void ForgetIdle();

 private:
  friend class TcpConnection;

  void Fail(const TcpSeries& series, Reason reason);
  TcpSeries& Find(const TcpLabels& labels);
  std::unique_ptr<TcpSeries> Make(const TcpLabels& labels);
  TcpSeries& Overflow(const TcpLabels& labels);

  const size_t max_label_sets_;
  CounterFamily& opened_;
  CounterFamily& closed_;
  CounterFamily& failed_;
  CounterFamily& received_;
  CounterFamily& sent_;
  const std::array<Handle<Gauge>, 2> sockets_;  // by Reporter
  std::mutex mutex_;
  absl::flat_hash_map<TcpLabels, std::unique_ptr<TcpSeries>> by_labels_;
  std::unique_ptr<TcpSeries> overflow_;
};

}  // namespace aquifer::obs
