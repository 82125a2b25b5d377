#include "waypoint/proxy.h"

#include <tuple>

#include "certs/ca_client.h"
#include "core/rt/timer.h"
#include "waypoint/config_dump.h"

namespace aquifer::waypoint {
namespace {

certs::ChannelOptions ChannelOf(const Config& config, const std::string& address,
                                const std::string& host_name, const std::string& roots) {
  certs::ChannelOptions options;
  options.address = address;
  options.host_name = host_name;
  options.roots = roots;
  options.token = config.auth_token;
  options.cluster_id = config.cluster_id;
  return options;
}

// Who we are to the control plane; GATEWAY_NAME says whose routes and policies we want.
envoy::config::core::v3::Node NodeOf(const Config& config) {
  envoy::config::core::v3::Node node;
  node.set_id("waypoint~" + config.instance_ip + "~" + config.pod_name + "." +
              config.pod_namespace + "~" + config.pod_namespace + ".svc." + config.cluster_domain);
  auto& fields = *node.mutable_metadata()->mutable_fields();
  fields["GATEWAY_NAME"].set_string_value(config.gateway_name);
  fields["NAME"].set_string_value(config.pod_name);
  fields["NAMESPACE"].set_string_value(config.pod_namespace);
  fields["SERVICE_ACCOUNT"].set_string_value(config.service_account);
  fields["INSTANCE_IPS"].set_string_value(config.instance_ip);
  fields["CLUSTER_ID"].set_string_value(config.cluster_id);
  if (!config.node_name.empty()) fields["NODE_NAME"].set_string_value(config.node_name);
  return node;
}

// Collects the workers' answers on the control loop.
struct Gathered {
  explicit Gathered(std::size_t expected) : left(expected) {
    if (left == 0) all.Set();
  }
  void Take(const Status& status) {
    if (!status.ok() && outcome.ok()) outcome = status;
    if (--left == 0) all.Set();
  }
  std::size_t left;
  Status outcome;
  Event all;
};

}  // namespace

Proxy::Proxy(const Config& config, obs::Logger& log, obs::Registry& registry)
    : config_(config),
      log_(log),
      registry_(registry),
      metrics_(registry),
      hbone_metrics_(registry),
      xds_terminations_(registry.AddCounter({.name = "istio_xds_connection_terminations",
                                             .help = "Streams to the control plane that have ended",
                                             .unit = ""})),
      xds_messages_(registry.AddCounter(
          {.name = "istio_xds_message", .help = "Messages of the control plane", .unit = ""})),
      xds_refused_(registry.AddCounter({.name = "aquifer_xds_refused",
                                        .help = "Resources of the control plane that were refused",
                                        .unit = ""})),
      rules_sink_({config.pod_namespace, config.gateway_name},
                  [this](RulesRef rules) {
                    rules_ = std::move(rules);
                    for (const auto& worker : workers_) worker->SetRules(rules_);
                    Consider();
                  }),
      sink_(
          builder_,
          [this](mesh::SnapshotRef snapshot) {
            snapshot_ = std::move(snapshot);
            for (const auto& worker : workers_) worker->SetMesh(snapshot_);
          },
          &rules_sink_) {}

Proxy::~Proxy() = default;

Task<Result<void, Refusal>> Proxy::Run(StopToken stop) {
  const StopLink asked(stop, quit_);
  BuildStore();
  Result<void, Refusal> started = StartServers();
  if (started.ok()) started = StartWorkers();
  if (started.ok()) {
    SpawnClients();
    // Nothing is taken before routes, policies and mesh are known whole: what is judged without
    // them would be judged wrongly.
    std::ignore = co_await known_.Wait(quit_.token());
    if (!quit_.requested()) started = co_await OpenWorkers();
  }
  if (started.ok() && !quit_.requested()) {
    serving_ = true;
    log_.Info("proxy", "serving",
              {{"gateway", rules_->gateway.name.ToString()},
               {"class", rules_->gateway.class_name},
               {"workers", config_.workers}});
    Event never;
    std::ignore = co_await never.Wait(quit_.token());
  }
  quit_.RequestStop();
  co_await ShutdownAll();
  co_return started;
}

void Proxy::BuildStore() {
  ca_channel_ = std::make_unique<certs::Channel>(
      ChannelOf(config_, config_.ca_address, config_.ca_host_name, config_.ca_root_ca),
      &certs::SystemWallTime);
  certs::CaClientOptions ca;
  ca.ttl = std::chrono::duration_cast<std::chrono::seconds>(config_.certificate_lifetime);
  ca.caller = certs::CaClientOptions::Caller::kWorkload;
  authority_ = std::make_unique<certs::CaClient>(*ca_channel_, ca);
  certs::StoreOptions options;
  options.on_failure = [this](const certs::Identity& identity, const certs::Failure& failure,
                              bool kept) {
    log_.Limited(
        refusals_, obs::Level::kWarn, "ca", "certificate could not be fetched",
        {{"identity", identity.ToString()}, {"error", failure.detail}, {"older_one_kept", kept}});
  };
  store_ = std::make_unique<certs::CertStore>(*authority_, &certs::SystemWallTime, options);
}

Result<void, Refusal> Proxy::StartServers() {
  struct Plan {
    const char* name;
    Address address;
    http::Server::Handler handler;
  };
  const std::optional<Ip> chosen = Ip::Parse(config_.stats_address);
  const Ip any = chosen ? *chosen : config_.ipv6 ? Ip::Any6() : Ip::Any4();
  const Plan plans[] = {
      {"admin port", Address{Ip::Loopback4(), config_.admin_port},
       [this](const http::Request& r, StopToken s) { return Admin(r, s); }},
      {"stats port", Address{any, config_.stats_port},
       [this](const http::Request& r, StopToken s) { return Stats(r, s); }},
      {"readiness port", Address{any, config_.ready_port},
       [this](const http::Request& r, StopToken s) { return Ready(r, s); }},
  };
  for (const Plan& plan : plans) {
    Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(plan.address);
    if (!listener && plan.address.ip.is_v6()) {
      listener = io::Listener::Listen(Address{Ip::Any4(), plan.address.port});
    }
    if (!listener) {
      return Refusal{plan.name,
                     plan.address.ToString() + " cannot be bound: " + Describe(listener.error())};
    }
    servers_.push_back(
        std::make_unique<http::Server>(*std::move(listener), http::ServerOptions{}, plan.handler));
  }
  for (const auto& server : servers_) tasks_.Spawn(server->Run(ended_.token()));
  return {};
}

Result<void, Refusal> Proxy::StartWorkers() {
  snapshot_ = builder_.Build();
  const WorkerInputs inputs{.config = config_,
                            .log = log_,
                            .metrics = metrics_,
                            .hbone_metrics = hbone_metrics_,
                            .store = *store_,
                            .control = Loop::Current()};
  for (unsigned i = 0; i < config_.workers; ++i) {
    Result<std::unique_ptr<Worker>> worker = Worker::Start(inputs, i);
    if (!worker) return Refusal{"worker", Describe(worker.error())};
    (*worker)->SetMesh(snapshot_);
    workers_.push_back(*std::move(worker));
  }
  return {};
}

void Proxy::SpawnClients() {
  tasks_.Spawn(RunStore());
  store_->Request({config_.trust_domain, config_.pod_namespace, config_.service_account},
                  certs::Urgency::kPrefetch);
  xds_channel_ = std::make_unique<certs::Channel>(
      ChannelOf(config_, config_.xds_address, config_.xds_host_name, config_.xds_root_ca),
      &certs::SystemWallTime);
  std::vector<std::string> types;
  for (const std::string_view type :
       {mesh::kAddressType, kPolicyType, kHttpRouteType, kGatewayType}) {
    types.emplace_back(type);
  }
  xds_state_ = std::make_unique<mesh::XdsState>(std::move(types), NodeOf(config_));
  mesh::XdsObserver& observer = *this;
  xds_client_ = std::make_unique<mesh::XdsClient>(*xds_channel_, *xds_state_, sink_, observer);
  tasks_.Spawn(xds_client_->Run(ended_.token()));
}

Task<void> Proxy::RunStore() { std::ignore = co_await store_->Run(ended_.token()); }

Task<Result<void, Refusal>> Proxy::OpenWorkers() {
  Gathered gathered(workers_.size());
  for (const auto& worker : workers_) {
    worker->Open([&gathered](Status status) { gathered.Take(status); });
  }
  std::ignore = co_await gathered.all.Wait(StopToken());
  if (!gathered.outcome.ok()) {
    co_return Refusal{"listener", "a port cannot be bound: " + Describe(gathered.outcome.error())};
  }
  co_return Result<void, Refusal>();
}

Task<void> Proxy::ShutdownAll() {
  draining_ = true;
  log_.Info("proxy", "draining", {{"deadline_ms", config_.drain_deadline.count()}});
  Gathered gathered(workers_.size());
  for (const auto& worker : workers_) {
    worker->Shutdown(config_.drain_deadline, [&gathered] { gathered.Take(Status()); });
  }
  std::ignore = co_await gathered.all.Wait(StopToken());
  workers_.clear();
  ended_.RequestStop();
  co_await tasks_.Join();
  if (xds_channel_ != nullptr) co_await xds_channel_->Shutdown();
  if (ca_channel_ != nullptr) co_await ca_channel_->Shutdown();
}

std::vector<std::string> Proxy::Pending() const {
  std::vector<std::string> pending;
  if (!synced_) pending.emplace_back("control plane");
  if (rules_ == nullptr) pending.emplace_back("Gateway " + config_.gateway_name);
  if (!serving_) pending.emplace_back("listeners");
  if (draining_) pending.emplace_back("draining");
  bool certified = false;
  for (const certs::CertStatus& status : store_->Dump()) {
    certified = certified || status.state == certs::CertStatus::State::kAvailable;
  }
  if (rules_ != nullptr && rules_->gateway.is_waypoint && !certified) {
    pending.emplace_back("certificate");
  }
  return pending;
}

Task<http::Response> Proxy::Admin(const http::Request& request, StopToken) {
  if (request.path() == "/config_dump") {
    http::Response response;
    (void)response.headers.Add("content-type", "application/json");
    response.body = DumpConfig(rules_.get(), snapshot_.get(), store_->Dump());
    co_return response;
  }
  if (request.path() == "/quitquitquit" && request.head.method == "POST") {
    quit_.RequestStop();
    co_return http::Response::Text(200, "shutdown now\n");
  }
  co_return http::Response::Text(404, "not found; there are /config_dump and /quitquitquit\n");
}

Task<http::Response> Proxy::Stats(const http::Request& request, StopToken) {
  if (request.path() != "/metrics" && request.path() != "/stats/prometheus") {
    co_return http::Response::Text(404, "not found\n");
  }
  http::Response response;
  (void)response.headers.Add("content-type",
                             "application/openmetrics-text; version=1.0.0; charset=utf-8");
  response.body = registry_.Text();
  co_return response;
}

Task<http::Response> Proxy::Ready(const http::Request& request, StopToken) {
  if (request.path() != "/healthz/ready") co_return http::Response::Text(404, "not found\n");
  const std::vector<std::string> pending = Pending();
  if (pending.empty()) co_return http::Response::Text(200, "ready\n");
  std::string text = "not ready, pending:";
  for (const std::string& what : pending) text += " " + what + ";";
  text.back() = '\n';
  co_return http::Response::Text(503, std::move(text));
}

void Proxy::Consider() {
  if (synced_ && rules_ != nullptr) known_.Set();
}

void Proxy::OnConnected() { log_.Info("xds", "connected", {{"address", config_.xds_address}}); }

void Proxy::OnDisconnected(std::string_view reason, const std::string& detail) {
  xds_terminations_.With({{"reason", reason}})->Add();
  log_.Limited(refusals_, obs::Level::kWarn, "xds", "disconnected",
               {{"reason", reason}, {"detail", detail}});
}

void Proxy::OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                       std::size_t bytes) {
  xds_messages_.With({{"url", type_url}})->Add();
  log_.Debug(
      "xds", "response",
      {{"type", type_url}, {"resources", resources}, {"removed", removed}, {"bytes", bytes}});
}

void Proxy::OnRefused(std::string_view type_url, const Refusal& refusal) {
  xds_refused_.With({{"url", type_url}})->Add();
  log_.Limited(refusals_, obs::Level::kError, "xds", "resource refused",
               {{"type", type_url}, {"resource", refusal.field}, {"error", refusal.why}});
}

void Proxy::OnSynced() {
  synced_ = true;
  log_.Info("xds", "synchronized",
            {{"services", snapshot_ == nullptr ? 0 : snapshot_->service_count()},
             {"gateway_known", rules_ != nullptr}});
  Consider();
}

}  // namespace aquifer::waypoint
