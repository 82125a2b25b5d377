#include "core/obs/mesh_metrics.h"

#include <array>

namespace aquifer::obs {

void AddBuildInfo(Registry& registry, std::string_view component, std::string_view tag) {
  registry.AddGauge({.name = "istio_build", .help = "The component that runs and its version"})
      .With({{"component", component}, {"tag", tag}})
      ->Set(1);
}

void AddIoBackend(Registry& registry, std::string_view backend) {
  registry
      .AddGauge({.name = "aquifer_io_backend",
                 .help = "How operations reach the kernel: io_uring, or epoll where it is refused"})
      .With({{"backend", backend}})
      ->Set(1);
}

XdsMetrics::XdsMetrics(Registry& registry)
    : messages_(registry.AddCounter(
          {.name = "istio_xds_message", .help = "Messages taken from the xDS server (unstable)"})),
      message_bytes_(
          registry.AddCounter({.name = "istio_xds_message_bytes",
                               .help = "Bytes of the messages taken from the xDS server (unstable)",
                               .unit = "bytes"})),
      terminations_(
          registry.AddCounter({.name = "istio_xds_connection_terminations",
                               .help = "Connections to the xDS server that ended (unstable)"})) {}

void XdsMetrics::CountMessage(std::string_view type_url, std::uint64_t bytes) {
  messages_.With({{"url", type_url}})->Add();
  message_bytes_.With({{"url", type_url}})->Add(bytes);
}

void XdsMetrics::CountTermination(std::string_view reason) {
  terminations_.With({{"reason", reason}})->Add();
}

HboneMetrics::HboneMetrics(Registry& registry)
    : refused_(registry.AddCounter(
          {.name = "aquifer_hbone_refused",
           .help = "Connections and requests to an HBONE port that did not become a tunnel"})),
      answers_(registry.AddCounter({.name = "aquifer_hbone_answers",
                                    .help = "Tunnels that the destination's proxy refused"})) {}

void HboneMetrics::CountAnswer(int status, Reason reason) {
  constexpr std::array<std::pair<int, std::string_view>, 5> kKnown = {
      {{400, "400"}, {401, "401"}, {403, "403"}, {502, "502"}, {503, "503"}}};
  std::string_view word = "other";
  for (const auto& [known, text] : kKnown) {
    if (known == status) word = text;
  }
  answers_.With({{"status", word}, {"reason", ReasonWord(reason)}})->Add();
}

void HboneMetrics::CountRefused(Stage stage, Reason reason) {
  constexpr std::array<std::string_view, 3> kStages = {"handshake", "connection", "request"};
  refused_
      .With({{"stage", kStages[static_cast<std::size_t>(stage)]}, {"reason", ReasonWord(reason)}})
      ->Add();
}

constexpr std::array<std::string_view, 5> kLimits = {"connections", "handshakes", "dials", "memory",
                                                     "dns"};

LimitMetrics::LimitMetrics(Registry& registry) {
  CounterFamily& refusals = registry.AddCounter(
      {.name = "aquifer_pod_limit_refusals",
       .help = "What a pod or its peers wanted and was more than its part of the node's proxy"});
  for (const std::string_view kind : kLimits) refusals_.push_back(refusals.With({{"kind", kind}}));
}

std::string_view LimitMetrics::Word(Kind kind) { return kLimits[static_cast<std::size_t>(kind)]; }

WorkloadManagerMetrics::WorkloadManagerMetrics(Registry& registry)
    : active_(registry
                  .AddGauge({.name = "workload_manager_active_proxy_count",
                             .help = "Pods whose traffic is served now (unstable)"})
                  .With({})),
      pending_(registry
                   .AddGauge({.name = "workload_manager_pending_proxy_count",
                              .help = "Pods whose proxy could not be started yet (unstable)"})
                   .With({})),
      started_(registry
                   .AddCounter({.name = "workload_manager_proxies_started",
                                .help = "Pods whose proxy was started (unstable)"})
                   .With({})),
      stopped_(registry
                   .AddCounter({.name = "workload_manager_proxies_stopped",
                                .help = "Pods whose proxy was stopped (unstable)"})
                   .With({})) {}

}  // namespace aquifer::obs
