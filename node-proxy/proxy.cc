#include "node-proxy/proxy.h"

#include <fstream>
#include <sstream>

#include "certs/ca_client.h"
#include "certs/local_authority.h"
#include "mesh/file_source.h"
#include "node-proxy/admin.h"

namespace aquifer::node {
namespace {

certs::ChannelOptions ChannelOf(const Config& config, const std::string& address,
                                const std::string& host_name, const std::string& roots,
                                const std::map<std::string, std::string>& headers) {
  certs::ChannelOptions options;
  options.address = address;
  options.host_name = host_name;
  options.roots = roots;
  options.token = config.auth_token;
  options.headers = headers;
  options.cluster_id = config.cluster_id;
  return options;
}

// Who we are to the control plane: the id that istiod takes for a node proxy of the ambient mode.
envoy::config::core::v3::Node NodeOf(const Config& config) {
  envoy::config::core::v3::Node node;
  node.set_id("ztunnel~" + config.instance_ip + "~" + config.pod_name + "." + config.pod_namespace +
              "~" + config.pod_namespace + ".svc.cluster.local");
  auto& fields = *node.mutable_metadata()->mutable_fields();
  for (const auto& [name, value] : config.node_metadata) fields[name].set_string_value(value);
  fields["NAME"].set_string_value(config.pod_name);
  fields["NAMESPACE"].set_string_value(config.pod_namespace);
  fields["INSTANCE_IPS"].set_string_value(config.instance_ip);
  fields["NODE_NAME"].set_string_value(config.node_name);
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
      tcp_metrics_(registry),
      xds_metrics_(registry),
      pod_metrics_(registry),
      hbone_metrics_(registry),
      xds_refused_(registry.AddCounter({.name = "aquifer_xds_refused",
                                        .help = "Resources of the control plane that were refused",
                                        .unit = {}})),
      builder_(mesh::BuilderOptions{.local_node = config.node_name}),
      sink_(builder_, [this](mesh::SnapshotRef snapshot) { Publish(std::move(snapshot)); }) {}

Proxy::~Proxy() = default;

Task<Result<void, Refusal>> Proxy::Run(StopToken stop) {
  const StopLink asked(stop, quit_);
  AQ_CO_TRY_STATUS(BuildAuthority());
  AQ_CO_TRY_STATUS(StartServers());
  AQ_CO_TRY_STATUS(StartWorkers());
  Result<void, Refusal> started = LoadLocalMesh();
  if (started.ok()) {
    SpawnClients();
    // Nobody is served before the mesh is known: a connection judged without policies would be
    // judged wrongly.
    if (!mesh_known_) std::ignore = co_await mesh_synced_.Wait(quit_.token());
    if (config_.mode == ProxyMode::kDedicated && !quit_.requested())
      started = co_await StartDedicated();
  }
  if (started.ok() && !quit_.requested()) {
    if (config_.mode == ProxyMode::kShared) clients_.Spawn(cni_->Run(quit_.token()));
    serving_ = true;
    log_.Info("proxy", "serving",
              {{"workers", config_.workers},
               {"mode", config_.mode == ProxyMode::kShared ? "shared" : "dedicated"}});
    Event never;
    std::ignore = co_await never.Wait(quit_.token());
  }
  quit_.RequestStop();
  co_await ShutdownAll();
  co_return started;
}

Result<void, Refusal> Proxy::BuildAuthority() {
  const auto lifetime =
      std::chrono::duration_cast<std::chrono::seconds>(config_.certificate_lifetime);
  if (!config_.local_ca_directory.empty()) {
    Decoded<certs::LocalCa> ca = certs::LocalCa::Load(config_.local_ca_directory);
    if (!ca) return Refusal{"AQUIFER_LOCAL_CA_DIR", ca.error().ToString()};
    authority_ =
        std::make_unique<certs::LocalAuthority>(*std::move(ca), lifetime, &certs::SystemWallTime);
  } else {
    ca_channel_ = std::make_unique<certs::Channel>(
        ChannelOf(config_, config_.ca_address, config_.ca_host_name, config_.ca_root_ca,
                  config_.ca_headers),
        &certs::SystemWallTime);
    certs::CaClientOptions options;
    options.ttl = lifetime;
    if (config_.mode == ProxyMode::kDedicated)
      options.caller = certs::CaClientOptions::Caller::kWorkload;
    authority_ = std::make_unique<certs::CaClient>(*ca_channel_, options);
  }
  certs::StoreOptions options;
  if (config_.post_quantum_only) options.groups = certs::KeyExchange::kHybridOnly;
  options.on_failure = [this](const certs::Identity& identity, const certs::Failure& failure,
                              bool kept) {
    log_.Limited(
        refusals_, obs::Level::kWarn, "ca", "certificate could not be fetched",
        {{"identity", identity.ToString()}, {"error", failure.detail}, {"older_one_kept", kept}});
  };
  store_ = std::make_unique<certs::CertStore>(*authority_, &certs::SystemWallTime, options);
  return {};
}

Result<void, Refusal> Proxy::LoadLocalMesh() {
  std::string text = config_.local_config;
  if (!config_.local_config_path.empty()) {
    std::ifstream file(config_.local_config_path, std::ios::binary);
    if (!file) return Refusal{"LOCAL_XDS_PATH", "cannot be read: " + config_.local_config_path};
    std::ostringstream content;
    content << file.rdbuf();
    text = content.str();
  }
  if (text.empty()) return {};
  Decoded<mesh::LocalMesh> local = mesh::ParseLocalConfig(text);
  if (!local)
    return Refusal{config_.local_config_path.empty() ? "LOCAL_XDS" : "LOCAL_XDS_PATH",
                   local.error().ToString()};
  for (mesh::Policy& policy : local->policies) builder_.Put(std::move(policy));
  for (mesh::Service& service : local->services) builder_.Put(std::move(service));
  for (mesh::Workload& workload : local->workloads) builder_.Put(std::move(workload));
  Publish(builder_.Build());
  if (config_.xds_address.empty()) mesh_known_ = true;
  return {};
}

Result<void, Refusal> Proxy::StartWorkers() {
  snapshot_ = builder_.Build();
  redirect::NetnsRef home;
  if (config_.mode == ProxyMode::kShared) {
    Result<redirect::NetnsRef> current = redirect::Netns::Current();
    if (!current) return Refusal{"network namespace", Describe(current.error())};
    home = *std::move(current);
  }
  const WorkerInputs inputs{.config = config_,
                            .log = log_,
                            .tcp_metrics = tcp_metrics_,
                            .hbone_metrics = hbone_metrics_,
                            .store = *store_,
                            .control = Loop::Current(),
                            .home = home};
  for (unsigned i = 0; i < config_.workers; ++i) {
    Result<std::unique_ptr<Worker>> worker = Worker::Start(inputs, i);
    if (!worker) return Refusal{"worker", Describe(worker.error())};
    (*worker)->SetSnapshot(snapshot_);
    workers_.push_back(*std::move(worker));
  }
  return {};
}

Result<void, Refusal> Proxy::StartServers() {
  struct Plan {
    const char* name;
    Address address;
    http::Server::Handler handler;
  };
  const Ip any = config_.ipv6 ? Ip::Any6() : Ip::Any4();
  const Plan plans[] = {
      {"admin port", Address{Ip::Loopback4(), config_.admin_port}, AdminHandler(*this)},
      {"stats port", Address{any, config_.stats_port},
       [this](const http::Request& r, StopToken s) { return Stats(r, s); }},
      {"readiness port", Address{any, config_.ready_port},
       [this](const http::Request& r, StopToken s) { return Ready(r, s); }},
  };
  for (const Plan& plan : plans) {
    Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(plan.address);
    if (!listener && plan.address.ip.is_v6())
      listener = io::Listener::Listen(Address{Ip::Any4(), plan.address.port});
    if (!listener)
      return Refusal{plan.name,
                     plan.address.ToString() + " cannot be bound: " + Describe(listener.error())};
    servers_.push_back(
        std::make_unique<http::Server>(*std::move(listener), http::ServerOptions{}, plan.handler));
  }
  for (const std::unique_ptr<http::Server>& server : servers_)
    tasks_.Spawn(server->Run(ended_.token()));
  return {};
}

void Proxy::SpawnClients() {
  tasks_.Spawn(RunStore());
  if (!config_.xds_address.empty()) {
    xds_channel_ = std::make_unique<certs::Channel>(
        ChannelOf(config_, config_.xds_address, config_.xds_host_name, config_.xds_root_ca,
                  config_.xds_headers),
        &certs::SystemWallTime);
    xds_state_ = std::make_unique<mesh::XdsState>(
        std::vector<std::string>{std::string(mesh::kAddressType),
                                 std::string(mesh::kAuthorizationType)},
        NodeOf(config_));
    xds_client_ = std::make_unique<mesh::XdsClient>(*xds_channel_, *xds_state_, sink_, *this);
    tasks_.Spawn(xds_client_->Run(ended_.token()));
  }
  if (config_.mode == ProxyMode::kShared) {
    cni_ = std::make_unique<redirect::CniClient>(
        redirect::CniClientOptions{.path = config_.zds_path}, *this, log_);
    CountZds(cni_->counters());
  }
}

// The client counts by itself; the registry asks it.
void Proxy::CountZds(const redirect::CniClient::Counters& counters) {
  struct Row {
    const char* name;
    const char* help;
    const std::atomic<std::uint64_t>& count;
  };
  const Row rows[] = {
      {"aquifer_zds_connections", "Connections to the node agent", counters.connections},
      {"aquifer_zds_requests", "Requests of the node agent", counters.requests},
      {"aquifer_zds_protocol_errors", "Connections ended because the node agent broke the protocol",
       counters.protocol_errors},
      {"aquifer_zds_refused_pods", "Pods that the node agent sent and that are not usable",
       counters.refused_pods},
      {"aquifer_zds_failed_starts", "Pods that could not be served and are tried again",
       counters.failed_starts},
  };
  for (const Row& row : rows) {
    zds_counts_.push_back(registry_.AddCallback(
        obs::MetricType::kCounter, {.name = row.name, .help = row.help},
        [&count = row.count] { return static_cast<std::int64_t>(count.load()); }));
  }
}

Task<void> Proxy::RunStore() { std::ignore = co_await store_->Run(ended_.token()); }

Task<Result<void, Refusal>> Proxy::StartDedicated() {
  const WorkloadName& name = *config_.workload;
  redirect::Pod pod;
  pod.uid = name.ns + "/" + name.name;
  pod.info =
      redirect::PodInfo{.name = name.name, .ns = name.ns, .service_account = name.service_account};
  Result<void, std::string> started = co_await StartPod(std::move(pod), quit_.token());
  if (!started.ok()) co_return Refusal{"PROXY_WORKLOAD_INFO", started.error()};
  co_return Result<void, Refusal>();
}

Task<Result<void, std::string>> Proxy::StartPod(redirect::Pod pod, StopToken) {
  const std::string uid = pod.uid;
  Gathered gathered(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->StartPod(pod, [&gathered](Status status) { gathered.Take(status); });
  // Not stoppable: the workers' answers refer to this frame.
  std::ignore = co_await gathered.all.Wait(StopToken());
  if (!gathered.outcome.ok()) {
    const std::string why = "listeners could not be opened: " + Describe(gathered.outcome.error());
    co_await StopPod(uid);
    co_return why;
  }
  pods_.insert(uid);
  pod_metrics_.ProxyStarted();
  log_.Info("inpod", "pod is served",
            {{"uid", uid}, {"name", pod.info.name}, {"namespace", pod.info.ns}});
  co_return Result<void, std::string>();
}

Task<void> Proxy::StopPod(std::string uid) {
  Gathered gathered(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->StopPod(uid, [&gathered] { gathered.Take(Status()); });
  std::ignore = co_await gathered.all.Wait(StopToken());
  if (pods_.erase(uid) == 0) co_return;
  pod_metrics_.ProxyStopped();
  log_.Info("inpod", "pod is no longer served", {{"uid", uid}});
}

Task<void> Proxy::ShutdownAll() {
  draining_ = true;
  log_.Info("proxy", "draining", {{"deadline_ms", config_.drain_deadline.count()}});
  co_await clients_.Join();
  Gathered gathered(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->Shutdown(config_.drain_deadline, [&gathered] { gathered.Take(Status()); });
  std::ignore = co_await gathered.all.Wait(StopToken());
  workers_.clear();
  ended_.RequestStop();
  co_await tasks_.Join();
  if (xds_channel_) co_await xds_channel_->Shutdown();
  if (ca_channel_) co_await ca_channel_->Shutdown();
  log_.Info("proxy", "ended");
}

void Proxy::Publish(mesh::SnapshotRef snapshot) {
  snapshot_ = std::move(snapshot);
  for (const std::unique_ptr<Worker>& worker : workers_) worker->SetSnapshot(snapshot_);
}

std::vector<std::string> Proxy::Pending() const {
  std::vector<std::string> pending;
  if (!mesh_known_) pending.push_back("state manager");
  if (!serving_ || draining_) pending.push_back("proxy");
  if (config_.mode == ProxyMode::kShared && (cni_ == nullptr || !cni_->ready()))
    pending.push_back("workload proxy manager");
  return pending;
}

Task<http::Response> Proxy::Ready(const http::Request& request, StopToken) {
  if (request.path() != "/healthz/ready") co_return http::Response::Text(404, "not found\n");
  const std::vector<std::string> pending = Pending();
  if (pending.empty()) co_return http::Response::Text(200, "ready\n");
  std::string text = "not ready, pending: ";
  for (const std::string& each : pending) text += (&each == &pending.front() ? "" : ", ") + each;
  co_return http::Response::Text(500, text + "\n");
}

Task<http::Response> Proxy::Stats(const http::Request& request, StopToken) {
  if (request.path() != "/metrics" && request.path() != "/stats/prometheus")
    co_return http::Response::Text(404, "not found\n");
  http::Response response = http::Response::Text(200, registry_.Text());
  const bool open_metrics = request.head.headers.Get("accept").value_or("").find(
                                "application/openmetrics-text") != std::string_view::npos;
  response.headers.Set("content-type",
                       open_metrics ? "application/openmetrics-text;charset=utf-8;version=1.0.0"
                                    : "text/plain; charset=utf-8");
  co_return response;
}

void Proxy::OnConnected() {
  log_.Info("xds", "stream established", {{"address", config_.xds_address}});
}

void Proxy::OnDisconnected(std::string_view reason, const std::string& detail) {
  xds_metrics_.CountTermination(reason);
  log_.Limited(refusals_, obs::Level::kWarn, "xds", "stream ended",
               {{"reason", reason}, {"error", detail}});
}

void Proxy::OnResponse(std::string_view type_url, std::size_t resources, std::size_t removed,
                       std::size_t bytes) {
  xds_metrics_.CountMessage(type_url, bytes);
  log_.Debug("xds", "received response",
             {{"type_url", type_url}, {"size", resources}, {"removes", removed}});
}

void Proxy::OnRefused(std::string_view type_url, const Refusal& refusal) {
  xds_refused_.With({{"url", type_url}})->Add();
  log_.Limited(refusals_, obs::Level::kWarn, "xds", "resource refused",
               {{"type_url", type_url}, {"error", refusal.ToString()}});
}

void Proxy::OnSynced() {
  mesh_known_ = true;
  mesh_synced_.Set();
  log_.Info("xds", "the mesh is known",
            {{"workloads", snapshot_->workload_count()},
             {"services", snapshot_->service_count()},
             {"policies", snapshot_->policy_count()}});
}

}  // namespace aquifer::node
