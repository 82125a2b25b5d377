#include "waypoint/proxy.h"

#include <tuple>

#include "core/rt/answers.h"
#include "proxy/admin.h"
#include "waypoint/config_dump.h"

namespace aquifer::waypoint {
namespace {

// GATEWAY_NAME says whose routes and policies we want.
proxy::Metadata MetadataOf(const Config& config) {
  return {{"GATEWAY_NAME", config.gateway_name},
          {"SERVICE_ACCOUNT", config.service_account},
          {"CLUSTER_ID", config.cluster_id}};
}

}  // namespace

Proxy::Proxy(const Config& config, obs::Logger& log, obs::Registry& registry)
    : config_(config),
      log_(log),
      registry_(registry),
      metrics_(registry),
      hbone_metrics_(registry),
      crl_metrics_(registry),
      control_plane_(config, log, registry),
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
  control_plane_.MakeStore(certs::CaClientOptions::Caller::kWorkload);
  if (!config_.crl_path.empty()) crls_.emplace(config_.crl_path, log_, registry_);
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

Result<void, Refusal> Proxy::StartServers() {
  const std::optional<Ip> chosen = Ip::Parse(config_.stats_address);
  const Ip any = chosen ? *chosen : config_.ipv6 ? Ip::Any6() : Ip::Any4();
  AQ_TRY_STATUS(servers_.Listen("admin port", {Ip::Loopback4(), config_.admin_port},
                                proxy::AdminHandler({.program = "aquifer-waypoint",
                                                     .config_dump = [this] { return Dump(); },
                                                     .quit = [this] { quit_.RequestStop(); },
                                                     .log = log_})));
  AQ_TRY_STATUS(
      servers_.Listen("stats port", {any, config_.stats_port}, app::StatsHandler(registry_)));
  AQ_TRY_STATUS(servers_.Listen("readiness port", {any, config_.ready_port},
                                app::ReadyHandler([this] { return Pending(); })));
  servers_.Serve(tasks_, ended_.token());
  return {};
}

Task<std::string> Proxy::Dump() {
  co_return DumpConfig(rules_.get(), snapshot_.get(), control_plane_.store().Dump());
}

Result<void, Refusal> Proxy::StartWorkers() {
  snapshot_ = builder_.Build();
  const WorkerInputs inputs{.config = config_,
                            .log = log_,
                            .metrics = metrics_,
                            .hbone_metrics = hbone_metrics_,
                            .store = control_plane_.store(),
                            .control = Loop::Current(),
                            .crl_metrics = crls_ ? &crl_metrics_ : nullptr,
                            .crls = crls_ ? crls_->lists() : nullptr};
  for (unsigned i = 0; i < config_.workers; ++i) {
    Result<std::unique_ptr<Worker>> worker = Worker::Start(inputs, i);
    if (!worker) return Refusal{"worker", Describe(worker.error())};
    (*worker)->SetMesh(snapshot_);
    workers_.push_back(*std::move(worker));
  }
  return {};
}

void Proxy::SpawnClients() {
  control_plane_.ServeCertificates(tasks_, ended_.token());
  if (crls_) {
    const auto tell = [this](const certs::CrlSetRef& lists) {
      for (const auto& worker : workers_) worker->SetCrls(lists);
    };
    tasks_.Spawn(crls_->Run(tell, ended_.token()));
  }
  control_plane_.store().Request(
      {config_.trust_domain, config_.pod_namespace, config_.service_account},
      certs::Urgency::kPrefetch);
  control_plane_.Follow(
      {std::string(mesh::kAddressType), std::string(kPolicyType), std::string(kHttpRouteType),
       std::string(kL4RouteType), std::string(kGatewayType)},
      proxy::NodeOf(config_, "waypoint", MetadataOf(config_)), sink_, [this] { MeshIsKnown(); },
      tasks_, ended_.token());
}

Task<Result<void, Refusal>> Proxy::OpenWorkers() {
  Answers answers(workers_.size());
  for (const auto& worker : workers_) {
    worker->Open([&answers](Status status) { answers.Take(status); });
  }
  const Status opened = co_await answers.All();
  if (!opened.ok())
    co_return Refusal{"listener", "a port cannot be bound: " + Describe(opened.error())};
  co_return Result<void, Refusal>();
}

Task<void> Proxy::ShutdownAll() {
  draining_ = true;
  log_.Info("proxy", "draining", {{"deadline_ms", config_.drain_deadline.count()}});
  Answers answers(workers_.size());
  for (const auto& worker : workers_) {
    worker->Shutdown(config_.drain_deadline, [&answers] { answers.Take(); });
  }
  std::ignore = co_await answers.All();
  workers_.clear();
  ended_.RequestStop();
  co_await tasks_.Join();
  co_await control_plane_.Shutdown();
}

std::vector<std::string> Proxy::Pending() const {
  std::vector<std::string> pending;
  if (!synced_) pending.emplace_back("control plane");
  if (rules_ == nullptr) pending.emplace_back("Gateway " + config_.gateway_name);
  if (crls_ && crls_->lists() == nullptr) pending.emplace_back("revocation lists");
  if (!serving_) pending.emplace_back("listeners");
  if (draining_) pending.emplace_back("draining");
  bool certified = false;
  for (const certs::CertStatus& status : control_plane_.store().Dump()) {
    certified = certified || status.state == certs::CertStatus::State::kAvailable;
  }
  if (rules_ != nullptr && rules_->gateway.is_waypoint && !certified) {
    pending.emplace_back("certificate");
  }
  return pending;
}

void Proxy::Consider() {
  if (synced_ && rules_ != nullptr) known_.Set();
}

void Proxy::MeshIsKnown() {
  synced_ = true;
  log_.Info("xds", "the mesh is known",
            {{"services", snapshot_ == nullptr ? 0 : snapshot_->service_count()},
             {"gateway_known", rules_ != nullptr}});
  Consider();
}

}  // namespace aquifer::waypoint
