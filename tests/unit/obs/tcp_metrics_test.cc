#include "core/obs/tcp_metrics.h"

#include <thread>

#include "core/obs/mesh_metrics.h"
#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::steady_clock::time_point kStart{1h};

TcpLabels Known() {
  return {.reporter = Reporter::kDestination,
          .source = {"curl", "curl-app", "v1", "default", "spiffe://c/ns/default/sa/curl",
                     "curl-app", "v1", "Kubernetes"},
          .destination_service = "reviews.shop.svc.cluster.local",
          .destination_service_namespace = "shop",
          .destination_service_name = "reviews",
          .destination = {"reviews", "reviews-app", "v2", "shop", "spiffe://c/ns/shop/sa/reviews",
                          "reviews-app", "v2", "Kubernetes"},
          .mutual_tls = true};
}

TcpLabels For(std::string service) { return {.destination_service = std::move(service)}; }

// The label text of a set.
std::string Shown(const TcpLabels& labels, std::string_view flags) {
  std::string text;
  for (const Label& label : TcpLabelList(labels, flags)) {
    if (!text.empty()) text += ',';
    text += std::string(label.name) + "=\"" + std::string(label.value) + '"';
  }
  return '{' + text + '}';
}

bool Has(const Registry& registry, const std::string& sample) {
  return registry.Text().find('\n' + sample + '\n') != std::string::npos;
}

TEST_CASE("labels come in the order of the node proxy") {
  CHECK(Shown(Known(), "-") ==
        "{reporter=\"destination\",source_workload=\"curl\",source_canonical_service=\"curl-app\","
        "source_canonical_revision=\"v1\",source_workload_namespace=\"default\","
        "source_principal=\"spiffe://c/ns/default/sa/"
        "curl\",source_app=\"curl-app\",source_version=\"v1\","
        "source_cluster=\"Kubernetes\",destination_service=\"reviews.shop.svc.cluster.local\","
        "destination_service_namespace=\"shop\",destination_service_name=\"reviews\",destination_"
        "workload=\"reviews\","
        "destination_canonical_service=\"reviews-app\",destination_canonical_revision=\"v2\","
        "destination_workload_namespace=\"shop\",destination_principal=\"spiffe://c/ns/shop/sa/"
        "reviews\","
        "destination_app=\"reviews-app\",destination_version=\"v2\",destination_cluster="
        "\"Kubernetes\","
        "request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"mutual_tls\","
        "source_region=\"unknown\",source_zone=\"unknown\","
        "destination_region=\"unknown\",destination_zone=\"unknown\"}");
}

TEST_CASE("what is not known is unknown") {
  for (const Label& label : TcpLabelList({}, "-")) {
    const bool always_known = label.name == "reporter" || label.name == "request_protocol" ||
                              label.name == "response_flags";
    CHECK((always_known || label.value == "unknown"));
  }
}

TEST_CASE("regions and zones come last") {
  TcpLabels labels;
  labels.destination.zone = "z1";
  CHECK(Shown(labels, "-")
            .ends_with(",source_region=\"unknown\",source_zone=\"unknown\",destination_region="
                       "\"unknown\",destination_zone=\"z1\"}"));
}

TEST_CASE("received is what the client sent, sent what the server answered") {
  Registry registry;
  TcpMetrics metrics(registry);
  TcpConnection connection = metrics.Open(Known());
  connection.AddClientToServer(11);
  connection.AddServerToClient(22);
  connection.Close(Reason::kOk);
  const std::string labels = Shown(Known(), "-");
  CHECK(registry.Text() ==
        "# HELP istio_tcp_connections_opened TCP connections opened.\n"
        "# TYPE istio_tcp_connections_opened counter\n"
        "istio_tcp_connections_opened_total" +
            labels +
            " 1\n"
            "# HELP istio_tcp_connections_closed TCP connections closed.\n"
            "# TYPE istio_tcp_connections_closed counter\n"
            "istio_tcp_connections_closed_total" +
            labels +
            " 1\n"
            "# HELP istio_tcp_received_bytes Bytes that TCP clients sent to servers.\n"
            "# TYPE istio_tcp_received_bytes counter\n"
            "istio_tcp_received_bytes_total" +
            labels +
            " 11\n"
            "# HELP istio_tcp_sent_bytes Bytes that TCP servers sent to clients.\n"
            "# TYPE istio_tcp_sent_bytes counter\n"
            "istio_tcp_sent_bytes_total" +
            labels +
            " 22\n"
            "# HELP istio_tcp_sockets_open TCP sockets open now (unstable).\n"
            "# TYPE istio_tcp_sockets_open gauge\n"
            "istio_tcp_sockets_open{reporter=\"source\"} 0\n"
            "istio_tcp_sockets_open{reporter=\"destination\"} 0\n"
            "# EOF\n");
}

TEST_CASE("a failed connection is closed and failed under its flag, and opened under none") {
  Registry registry;
  TcpMetrics metrics(registry);
  metrics.Open(Known()).Close(Reason::kPolicyDenied);
  CHECK(Has(registry, "istio_tcp_connections_opened_total" + Shown(Known(), "-") + " 1"));
  CHECK(Has(registry, "istio_tcp_connections_closed_total" + Shown(Known(), "-") + " 0"));
  CHECK(Has(registry, "istio_tcp_connections_closed_total" + Shown(Known(), "DENY") + " 1"));
  CHECK(Has(registry, "istio_tcp_connections_failed_total" + Shown(Known(), "DENY") + " 1"));
}

TEST_CASE("a connection closes once, at the latest when it dies") {
  Registry registry;
  TcpMetrics metrics(registry);
  {
    TcpConnection first = metrics.Open(Known());
    first.Close(Reason::kOk);
    first.Close(Reason::kPeerReset);
    TcpConnection second = metrics.Open(Known());
    const TcpConnection moved = std::move(second);
  }
  CHECK(Has(registry, "istio_tcp_connections_opened_total" + Shown(Known(), "-") + " 2"));
  CHECK(Has(registry, "istio_tcp_connections_closed_total" + Shown(Known(), "-") + " 2"));
  CHECK(registry.Text().find("connections_failed") == std::string::npos);
}

TEST_CASE("a socket is open for as long as it is counted") {
  Registry registry;
  TcpMetrics metrics(registry);
  {
    OpenSocket first = metrics.CountSocket(Reporter::kSource);
    const OpenSocket second = std::move(first);
    CHECK(Has(registry, "istio_tcp_sockets_open{reporter=\"source\"} 1"));
  }
  CHECK(Has(registry, "istio_tcp_sockets_open{reporter=\"source\"} 0"));
}

TEST_CASE("label sets beyond the bound share one series, and each is counted as overflow") {
  Registry registry;
  TcpMetrics metrics(registry, 1);
  for (const char* service : {"a", "b", "c", "a"}) {
    TcpConnection connection = metrics.Open(For(service));
    connection.AddClientToServer(1);
  }
  metrics.Open(For("d")).Close(Reason::kPeerReset);
  const std::string text = registry.Text();
  CHECK(Has(registry, "istio_tcp_received_bytes_total" + Shown(For("a"), "-") + " 2"));
  CHECK(text.find("destination_service=\"b\"") == text.npos);
  CHECK(text.find("destination_service=\"d\"") == text.npos);
  CHECK(Has(registry, "aquifer_metric_overflows_total{family=\"istio_tcp_connections_opened\"} 3"));
}

TEST_CASE("series of a service that nobody calls any more expire") {
  Registry registry;
  TcpMetrics metrics(registry);
  const TcpConnection open = metrics.Open(For("busy"));
  metrics.Open(For("gone")).Close(Reason::kOk);
  for (const auto minute : {0min, 60min}) {
    metrics.ForgetIdle();
    registry.ExpireIdle(kStart + minute, 60min);
  }
  const std::string text = registry.Text();
  CHECK(text.find("\"gone\"") == text.npos);
  CHECK(Has(registry, "istio_tcp_connections_opened_total" + Shown(For("busy"), "-") + " 1"));
}

TEST_CASE("a label set that was forgotten goes on where it was while its series is there") {
  Registry registry;
  TcpMetrics metrics(registry);
  metrics.Open(For("a")).Close(Reason::kOk);
  metrics.ForgetIdle();
  metrics.Open(For("a")).Close(Reason::kOk);
  CHECK(Has(registry, "istio_tcp_connections_closed_total" + Shown(For("a"), "-") + " 2"));
}

TEST_CASE("workers open and close at the same time as the table is swept") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  Registry registry;
  TcpMetrics metrics(registry);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&metrics] {
      for (int j = 0; j < kRounds; ++j) {
        TcpConnection connection = metrics.Open(For("a"));
        connection.AddClientToServer(3);
        connection.Close(j % 2 == 0 ? Reason::kOk : Reason::kPeerReset);
      }
    });
  }
  for (int j = 0; j < 100; ++j) metrics.ForgetIdle();
  for (std::thread& thread : threads) thread.join();
  CHECK(Has(registry, "istio_tcp_received_bytes_total" + Shown(For("a"), "-") + ' ' +
                          std::to_string(kThreads * kRounds * 3)));
}

TEST_CASE("the build says its component and version") {
  Registry registry;
  AddBuildInfo(registry, "ztunnel", "0.1.0");
  CHECK(Has(registry, "istio_build{component=\"ztunnel\",tag=\"0.1.0\"} 1"));
}

TEST_CASE("messages and ends of the xDS stream are counted") {
  Registry registry;
  XdsMetrics metrics(registry);
  metrics.CountMessage("type.googleapis.com/istio.workload.Address", 100);
  metrics.CountMessage("type.googleapis.com/istio.workload.Address", 50);
  metrics.CountTermination("reconnect");
  CHECK(Has(registry,
            "istio_xds_message_total{url=\"type.googleapis.com/istio.workload.Address\"} 2"));
  CHECK(
      Has(registry,
          "istio_xds_message_bytes_total{url=\"type.googleapis.com/istio.workload.Address\"} 150"));
  CHECK(Has(registry, "istio_xds_connection_terminations_total{reason=\"reconnect\"} 1"));
}

TEST_CASE("pods that are served and pods that wait are counted without a prefix") {
  Registry registry;
  WorkloadManagerMetrics metrics(registry);
  metrics.ProxyPending();
  metrics.ProxyStarted();
  metrics.ProxyStarted();
  metrics.ProxyStopped();
  CHECK(Has(registry, "workload_manager_active_proxy_count 1"));
  CHECK(Has(registry, "workload_manager_pending_proxy_count 1"));
  CHECK(Has(registry, "workload_manager_proxies_started_total 2"));
  CHECK(Has(registry, "workload_manager_proxies_stopped_total 1"));
}

}  // namespace
}  // namespace aquifer::obs
