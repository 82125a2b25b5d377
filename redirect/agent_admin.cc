// The agent's metrics and readiness.
#include <algorithm>
#include <functional>
#include <utility>

#include "core/obs/mesh_metrics.h"
#include "redirect/agent.h"

namespace aquifer::redirect {

Result<void, Refusal> Agent::Listen() {
  if (const Status listening = server_.Listen(); !listening)
    return Refusal{options_.zds_socket, Describe(listening.error())};
  if (!options_.plugin_socket.empty()) {
    PluginHandler& handler = *this;
    plugins_ = std::make_unique<PluginServer>(PluginServerOptions{.path = options_.plugin_socket},
                                              handler, log_);
    if (const Status listening = plugins_->Listen(); !listening)
      return Refusal{options_.plugin_socket, Describe(listening.error())};
  }
  if (!options_.admin) return {};
  obs::AddIoBackend(registry_, BackendName(Loop::Current().backend()));
  Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(*options_.admin);
  if (!listener) return Refusal{options_.admin->ToString(), Describe(listener.error())};
  admin_ = std::make_unique<http::Server>(
      *std::move(listener), http::ServerOptions{},
      [this](const http::Request& request, StopToken) { return Answer(request); });
  return {};
}

Task<http::Response> Agent::Answer(const http::Request& request) {
  const std::string_view path = request.path();
  if (path == "/metrics") co_return http::Response::Text(200, registry_.Text());
  if (path != "/healthz/ready" && path != "/ready")
    co_return http::Response::Text(404, "not found; there are /metrics and /healthz/ready\n");
  const std::string pending = Pending();
  co_return pending.empty() ? http::Response::Text(200, "ready\n")
                            : http::Response::Text(500, "not ready, pending: " + pending + "\n");
}

// An upgrade goes on to the next node when pods of this one start through the plugin again.
std::string Agent::Pending() const {
  if (!source_->answered()) return "pods";
  if (installer_ != nullptr && !installer_->problem().empty())
    return "CNI plugin: " + installer_->problem();
  return "";
}

// Asked for on the agent's own loop, which serves the page.
void Agent::RegisterMetrics() {
  using obs::MetricType;
  const auto add = [this](MetricType type, const char* name, const char* help,
                          std::function<std::uint64_t()> read) {
    metrics_.push_back(registry_.AddCallback(
        type, {.name = name, .help = help},
        [read = std::move(read)] { return static_cast<std::int64_t>(read()); }));
  };
  const CniServer::Counters& zds = server_.counters();
  add(MetricType::kCounter, "aquifer_cni_problems_found",
      "Manifests refused and contradictions found", [this] { return refusals_found_; });
  add(MetricType::kGauge, "aquifer_cni_problems",
      "Manifests refused now, and pods that contradict each other",
      [this] { return source_->refusals().size(); });
  add(MetricType::kGauge, "aquifer_cni_pods", "Pods that are to be captured, or are leaving",
      [this] { return captures_.size(); });
  add(MetricType::kGauge, "aquifer_cni_pods_captured", "Pods whose rules were proven",
      [this] { return verified(); });
  add(MetricType::kGauge, "aquifer_zds_proxies", "Node proxies connected",
      [this] { return server_.proxies(); });
  add(MetricType::kCounter, "aquifer_zds_connections", "Connections of node proxies",
      [&zds] { return zds.connections; });
  add(MetricType::kCounter, "aquifer_zds_refused_connections", "Connections beyond the limit",
      [&zds] { return zds.refused_connections; });
  add(MetricType::kCounter, "aquifer_zds_protocol_errors",
      "Connections ended because the node proxy broke the protocol",
      [&zds] { return zds.protocol_errors; });
  add(MetricType::kCounter, "aquifer_zds_timeouts",
      "Connections ended because the node proxy did not answer in time",
      [&zds] { return zds.timeouts; });
  add(MetricType::kCounter, "aquifer_zds_failed_pods",
      "Answers of node proxies that a pod is not served", [&zds] { return zds.failed_pods; });
  add(MetricType::kGauge, "aquifer_cni_plugin_installed",
      "Whether the node's pods start through the CNI plugin, where the agent installs it",
      [this] { return installer_ != nullptr && installer_->problem().empty() ? 1 : 0; });
  const auto plugin = [this](std::uint64_t PluginServer::Counters::* counter) {
    return [this, counter] { return plugins_ == nullptr ? 0 : plugins_->counters().*counter; };
  };
  add(MetricType::kCounter, "aquifer_cni_plugin_requests", "Requests of the CNI plugin",
      plugin(&PluginServer::Counters::requests));
  add(MetricType::kCounter, "aquifer_cni_plugin_failed_requests",
      "Requests of the CNI plugin answered with an error: a pod that was kept from starting",
      plugin(&PluginServer::Counters::failed_requests));
}

size_t Agent::verified() const {
  return static_cast<size_t>(
      std::count_if(captures_.begin(), captures_.end(),
                    [](const auto& entry) { return entry.second.verified(); }));
}

}  // namespace aquifer::redirect
