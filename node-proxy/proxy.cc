#include "node-proxy/proxy.h"

#include <fstream>
#include <sstream>

#include "certs/local_authority.h"
#include "core/app/runtime_metrics.h"
#include "core/app/version.h"
#include "core/rt/answers.h"
#include "mesh/file_source.h"
#include "node-proxy/config_dump.h"
#include "node-proxy/give_back.h"
#include "proxy/admin.h"

namespace aquifer::node {
Proxy::Proxy(const Config& config, obs::Logger& log, obs::Registry& registry)
    : config_(config),
      log_(log),
      registry_(registry),
      tcp_metrics_(registry),
      pod_metrics_(registry),
      hbone_metrics_(registry),
      dns_metrics_(registry),
      crl_metrics_(registry),
      on_demand_dns_(registry),
      limit_metrics_(registry),
      budget_(BoundsOfProcess()),
      control_plane_(config, log, registry),
      builder_(mesh::BuilderOptions{.local_node = config.node_name}),
      sink_(builder_, [this](mesh::SnapshotRef snapshot) { Publish(std::move(snapshot)); }) {
  // Dashboards ask for the node proxy by this name.
  obs::AddBuildInfo(registry, "ztunnel", app::Version());
}

Proxy::~Proxy() = default;

Task<Result<void, Refusal>> Proxy::Run(StopToken stop) {
  const StopLink asked(stop, quit_);
  AQ_CO_TRY_STATUS(BuildAuthority());
  if (config_.on_demand && !config_.xds_address.empty()) {
    demand_.emplace([this](std::string name, StopToken asker) {
      return control_plane_.Know(std::move(name), asker);
    });
  }
  // Without the node's name every workload would be taken for one of this node.
  if (config_.mode == ProxyMode::kShared && !config_.node_name.empty())
    prefetch_.emplace(control_plane_.store());
  if (!config_.crl_path.empty()) crls_.emplace(config_.crl_path, log_, registry_);
  // From here on tasks run: whatever fails, they are ended first.
  Result<void, Refusal> started = StartServers();
  if (started.ok()) started = StartWorkers();
  if (started.ok()) started = LoadLocalMesh();
  if (started.ok()) {
    SpawnClients();
    // Nobody is served before the mesh is known: a connection judged without policies would be
    // judged wrongly.
    if (!mesh_known_) std::ignore = co_await mesh_synced_.Wait(quit_.token());
    if (config_.mode == ProxyMode::kDedicated && !quit_.requested())
      started = co_await StartDedicated();
  }
  if (started.ok() && !quit_.requested()) {
    if (config_.serves_itself()) co_await StartSelf();
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
  certs::StoreOptions options;
  if (config_.post_quantum_only) options.groups = certs::KeyExchange::kHybridOnly;
  if (config_.local_ca_directory.empty()) {
    using Caller = certs::CaClientOptions::Caller;
    control_plane_.MakeStore(
        config_.mode == ProxyMode::kDedicated ? Caller::kWorkload : Caller::kNode, options);
    return {};
  }
  Decoded<certs::LocalCa> ca = certs::LocalCa::Load(config_.local_ca_directory);
  if (!ca) return Refusal{"AQUIFER_LOCAL_CA_DIR", ca.error().ToString()};
  control_plane_.MakeStore(
      std::make_unique<certs::LocalAuthority>(
          *std::move(ca),
          std::chrono::duration_cast<std::chrono::seconds>(config_.certificate_lifetime),
          &certs::SystemWallTime),
      options);
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
                            .on_demand_dns = on_demand_dns_,
                            .limit_metrics = limit_metrics_,
                            .budget = budget_,
                            .store = control_plane_.store(),
                            .control = Loop::Current(),
                            .demand = demand_ ? &*demand_ : nullptr,
                            .home = home,
                            .dns_metrics = config_.dns ? &dns_metrics_ : nullptr,
                            .crl_metrics = crls_ ? &crl_metrics_ : nullptr,
                            .crls = crls_ ? crls_->lists() : nullptr};
  for (unsigned i = 0; i < config_.workers; ++i) {
    Result<std::unique_ptr<Worker>> worker = Worker::Start(inputs, i);
    if (!worker) return Refusal{"worker", Describe(worker.error())};
    (*worker)->SetSnapshot(snapshot_);
    workers_.push_back(*std::move(worker));
  }
  return {};
}

Result<void, Refusal> Proxy::StartServers() {
  const Ip any = config_.ipv6 ? Ip::Any6() : Ip::Any4();
  AQ_TRY_STATUS(servers_.Listen("admin port", {Ip::Loopback4(), config_.admin_port},
                                proxy::AdminHandler({.program = "aquifer-node",
                                                     .config_dump = [this] { return Dump(); },
                                                     .quit = [this] { quit_.RequestStop(); },
                                                     .log = log_})));
  AQ_TRY_STATUS(
      servers_.Listen("stats port", {any, config_.stats_port}, app::StatsHandler(registry_, [this] {
                        return app::RuntimeMetrics({}, tcp_metrics_.sockets());
                      })));
  AQ_TRY_STATUS(servers_.Listen("readiness port", {any, config_.ready_port},
                                app::ReadyHandler([this] { return Pending(); })));
  servers_.Serve(tasks_, ended_.token());
  return {};
}

// Each worker lists its own connections. While they drain a worker may go without an answer.
Task<std::string> Proxy::Dump() {
  std::vector<ConnectionView> connections;
  if (!draining_) {
    Answers answers(workers_.size());
    for (const std::unique_ptr<Worker>& worker : workers_) {
      worker->ListConnections([&](std::vector<ConnectionView> views) {
        connections.insert(connections.end(), std::make_move_iterator(views.begin()),
                           std::make_move_iterator(views.end()));
        answers.Take();
      });
    }
    std::ignore = co_await answers.All();
  }
  co_return DumpConfig(config_, snapshot_.get(), control_plane_.store().Dump(), pods_, connections);
}

void Proxy::SpawnClients() {
  control_plane_.ServeCertificates(tasks_, ended_.token());
  if (crls_) {
    const auto tell = [this](const certs::CrlSetRef& lists) {
      for (const std::unique_ptr<Worker>& worker : workers_) worker->SetCrls(lists);
    };
    tasks_.Spawn(crls_->Run(tell, ended_.token()));
  }
  tasks_.Spawn(GiveMemoryBack(budget_, ended_.token()));
  tasks_.Spawn(app::ExpireSeries(tcp_metrics_, registry_, {}, ended_.token()));
  if (!config_.xds_address.empty()) {
    control_plane_.Follow(
        {std::string(mesh::kAddressType), std::string(mesh::kAuthorizationType)},
        proxy::NodeOf(config_, "ztunnel", config_.node_metadata, config_.node_metadata_json), sink_,
        [this] { MeshIsKnown(); }, tasks_, ended_.token(),
        demand_ ? mesh::kAddressType : std::string_view());
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

// Our own pod, where we are. A port that somebody else has costs the metrics' mutual TLS and must
// not cost the node's traffic.
Task<void> Proxy::StartSelf() {
  redirect::Pod pod;
  pod.uid = "self";  // of Kubernetes' none is called so
  pod.info = redirect::PodInfo{.name = config_.pod_name,
                               .ns = config_.pod_namespace,
                               .service_account = config_.service_account};
  Answers answers(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_) {
    worker->StartPod(
        pod, [&answers](Status status) { answers.Take(status); }, PodProxy::Role::kSelf);
  }
  const Status opened = co_await answers.All();
  if (opened.ok()) co_return;
  co_await StopPod(pod.uid);
  log_.Error("proxy", "metrics are not served over HBONE",
             {{"port", config_.inbound_port}, {"error", Describe(opened.error())}});
}

Task<Result<void, std::string>> Proxy::StartPod(redirect::Pod pod, StopToken) {
  const std::string uid = pod.uid;
  Answers answers(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->StartPod(pod, [&answers](Status status) { answers.Take(status); });
  const Status opened = co_await answers.All();
  if (!opened.ok()) {
    const std::string why = "listeners could not be opened: " + Describe(opened.error());
    co_await StopPod(uid);
    co_return why;
  }
  pods_[uid] = pod.info;
  pod_metrics_.ProxyStarted();
  log_.Info("inpod", "pod is served",
            {{"uid", uid}, {"name", pod.info.name}, {"namespace", pod.info.ns}});
  co_return Result<void, std::string>();
}

Task<void> Proxy::StopPod(std::string uid) {
  Answers answers(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->StopPod(uid, [&answers] { answers.Take(); });
  std::ignore = co_await answers.All();
  if (pods_.erase(uid) == 0) co_return;
  pod_metrics_.ProxyStopped();
  log_.Info("inpod", "pod is no longer served", {{"uid", uid}});
}

Task<void> Proxy::ShutdownAll() {
  draining_ = true;
  log_.Info("proxy", "draining", {{"deadline_ms", config_.drain_deadline.count()}});
  co_await clients_.Join();
  Answers answers(workers_.size());
  for (const std::unique_ptr<Worker>& worker : workers_)
    worker->Shutdown(config_.drain_deadline, [&answers] { answers.Take(); });
  std::ignore = co_await answers.All();
  if (demand_) co_await demand_->Shutdown();
  for (const std::unique_ptr<Worker>& worker : workers_) worker->End();
  workers_.clear();
  ended_.RequestStop();
  co_await tasks_.Join();
  co_await control_plane_.Shutdown();
  log_.Info("proxy", "ended");
}

void Proxy::Publish(mesh::SnapshotRef snapshot) {
  snapshot_ = std::move(snapshot);
  if (prefetch_) prefetch_->Update(*snapshot_);
  for (const std::unique_ptr<Worker>& worker : workers_) worker->SetSnapshot(snapshot_);
}

std::vector<std::string> Proxy::Pending() const {
  std::vector<std::string> pending;
  if (!mesh_known_) pending.push_back("state manager");
  if (crls_ && crls_->lists() == nullptr) pending.push_back("revocation lists");
  if (!serving_ || draining_) pending.push_back("proxy");
  if (config_.dns && !serving_) pending.push_back("dns proxy");
  if (config_.mode == ProxyMode::kShared && (cni_ == nullptr || !cni_->ready()))
    pending.push_back("workload proxy manager");
  return pending;
}

void Proxy::MeshIsKnown() {
  mesh_known_ = true;
  mesh_synced_.Set();
  log_.Info("xds", "the mesh is known",
            {{"workloads", snapshot_->workload_count()},
             {"services", snapshot_->service_count()},
             {"policies", snapshot_->policy_count()}});
}

}  // namespace aquifer::node
