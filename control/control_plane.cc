#include "control/control_plane.h"

#include <sys/stat.h>

#include <filesystem>

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "control/reconcile/reconcile.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr auto kHandshakeTimeout = std::chrono::seconds(5);
constexpr auto kServerCertificateLife = std::chrono::hours(24 * 30);

certs::SubjectNames NamesOf(const ControlConfig& config) {
  certs::SubjectNames names;
  std::string list = config.host_names;
  if (!config.listen.ip.is_any()) list += "," + config.listen.ip.ToString();
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, comma - at);
    at = comma + 1;
    if (const std::optional<Ip> ip = Ip::Parse(name)) names.ips.push_back(*ip);
    else if (!name.empty()) names.dns.push_back(name);
  }
  return names;
}

}  // namespace

ControlPlane::ControlPlane(const ControlConfig& config, obs::Logger& log, obs::Registry& registry)
    : config_(config),
      log_(log),
      registry_(registry),
      refused_manifests_(registry.AddCounter({.name = "aquifer_manifests_refused", .help = "Documents that could not be used", .unit = {}})),
      objects_gauge_(registry.AddGauge({.name = "aquifer_objects", .help = "Objects of the mesh", .unit = {}}).With({})),
      tokens_(config.state + "/tokens", config.mesh.trust_domain),
      policy_(tokens_, objects_, config.mesh.trust_domain, log),
      xds_(tokens_, log, registry) {}

Task<Result<void, Refusal>> ControlPlane::Run(StopToken stop) {
  AQ_CO_TRY_STATUS(LoadCa());
  AQ_CO_TRY_STATUS(RenewServerCertificate());
  ca_service_.emplace(*ca_, policy_, &certs::SystemWallTime);
  ca_service_->RegisterWith(grpc_);
  xds_.RegisterWith(grpc_);
  StopSource serving(stop);
  AQ_CO_TRY_STATUS(StartServers(serving.token()));
  tasks_.Spawn(RenewLoop(serving.token()));

  Loop& loop = Loop::Current();
  // What is still posted when we have ended must not touch us.
  const auto alive = std::make_shared<bool>(true);
  DirectoryFollower follower(config_.manifests, [this, &loop, alive](Observation observation) {
    auto shared = std::make_shared<Observation>(std::move(observation));
    loop.Post([this, alive, shared] {
      if (*alive) Take(std::move(*shared));
    });
  });
  const Status started = follower.Start();
  Result<void, Refusal> outcome;
  if (started.ok()) {
    log_.Info("control", "serving", {{"address", config_.listen.ToString()}, {"manifests", config_.manifests}});
    Event never;
    std::ignore = co_await never.Wait(stop);
  } else {
    outcome = Refusal{"--manifests", config_.manifests + " cannot be followed: " + Describe(started.error())};
  }
  *alive = false;
  serving.RequestStop();
  co_await tasks_.Join();
  log_.Info("control", "ended");
  co_return outcome;
}

Result<void, Refusal> ControlPlane::LoadCa() {
  const std::string directory = config_.state + "/ca";
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  if (problem) return Refusal{"--state", directory + " cannot be made: " + problem.message()};
  ::chmod(directory.c_str(), 0700);
  if (std::filesystem::exists(directory + "/ca-key.pem")) {
    Decoded<certs::LocalCa> loaded = certs::LocalCa::Load(directory);
    if (!loaded) return Refusal{directory, loaded.error().ToString()};
    ca_ = *std::move(loaded);
    return {};
  }
  ca_ = certs::LocalCa::Create(config_.mesh.trust_domain, certs::SystemWallTime());
  const Status saved = ca_->Save(directory);
  if (!saved) return Refusal{directory, "cannot be written: " + Describe(saved.error())};
  log_.Info("ca", "a new root was made", {{"directory", directory}});
  return {};
}

Result<void, Refusal> ControlPlane::RenewServerCertificate() {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  Decoded<std::string> leaf = ca_->IssueServer(key.get(), NamesOf(config_), kServerCertificateLife, certs::SystemWallTime());
  if (!leaf) return Refusal{"--host-names", leaf.error().ToString()};
  const std::vector<std::string> chain = ca_->ResponseChain(*leaf);
  Decoded<certs::CertificateBundle> bundle = certs::CertificateBundle::FromResponse(std::move(key), chain);
  if (!bundle) return Refusal{"server certificate", bundle.error().ToString()};
  tls_ = certs::TlsContext::HostServer(*bundle, certs::PeerCertificate::kNone);
  return {};
}

Task<void> ControlPlane::RenewLoop(StopToken stop) {
  while (true) {
    const Status slept = co_await SleepFor(kServerCertificateLife / 3, stop);
    if (!slept) co_return;
    const Result<void, Refusal> renewed = RenewServerCertificate();
    if (!renewed.ok()) log_.Error("ca", "our own certificate could not be renewed", {{"error", renewed.error().ToString()}});
  }
}

Result<void, Refusal> ControlPlane::StartServers(StopToken stop) {
  Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(config_.listen);
  if (!listener) return Refusal{"--listen", config_.listen.ToString() + " cannot be bound: " + Describe(listener.error())};
  Result<std::unique_ptr<io::Listener>> admin = io::Listener::Listen(config_.admin);
  if (!admin) return Refusal{"--admin", config_.admin.ToString() + " cannot be bound: " + Describe(admin.error())};
  listener_ = *std::move(listener);
  admin_ = std::make_unique<http::Server>(*std::move(admin), http::ServerOptions{},
                                          [this](const http::Request& request, StopToken) { return Admin(request); });
  tasks_.Spawn(AcceptLoop(stop));
  tasks_.Spawn(admin_->Run(stop));
  return {};
}

void ControlPlane::Take(Observation observation) {
  LogRefusals(observation);
  objects_ = std::make_shared<const ObjectSet>(std::move(observation.objects));
  objects_gauge_->Set(static_cast<std::int64_t>(objects_->size()));
  const Result<void, Refusal> tokens = tokens_.Follow(*objects_);
  if (!tokens.ok()) log_.Error("ca", "a token could not be kept", {{"error", tokens.error().ToString()}});
  Reconciled reconciled = Reconcile(*objects_, config_.mesh);
  for (const std::string& warning : reconciled.warnings) log_.Warn("reconcile", warning);
  for (const std::string& change : DescribeChanges(statuses_, reconciled.statuses)) log_.Info("status", change);
  statuses_ = std::move(reconciled.statuses);
  table_ = ResourceTable::Build(std::move(reconciled.resources), *table_);
  known_ = true;
  xds_.Publish(table_);
  log_.Info("control", "the mesh changed", {{"objects", objects_->size()}, {"table", table_->serial()}, {"streams", xds_.streams()}});
}

// Each once: the same mistake is read again with every change of the directory.
void ControlPlane::LogRefusals(const Observation& observation) {
  std::set<std::string> refusals;
  for (const ManifestRefusal& refusal : observation.refusals) refusals.insert(refusal.ToString());
  for (const std::string& kind : observation.skipped) refusals.insert("skipped: " + kind);
  for (const std::string& refusal : refusals) {
    if (known_refusals_.contains(refusal)) continue;
    log_.Warn("manifests", refusal);
    if (!refusal.starts_with("skipped: ")) refused_manifests_.With({})->Add();
  }
  if (observation.kept > 0) log_.Warn("manifests", "objects of refused documents stay as they were", {{"objects", observation.kept}});
  known_refusals_ = std::move(refusals);
}

Task<void> ControlPlane::AcceptLoop(StopToken stop) {
  Scope connections;
  while (true) {
    Result<io::SocketPtr> socket = co_await listener_->Accept(stop);
    if (socket.ok()) {
      connections.Spawn(ServeConnection(*std::move(socket), stop));
      continue;
    }
    if (stop.requested()) break;
    std::ignore = co_await SleepFor(std::chrono::milliseconds(50), stop);
  }
  co_await connections.Join();
}

Task<void> ControlPlane::ServeConnection(io::SocketPtr socket, StopToken stop) {
  const std::string peer = socket->peer().ToString();
  io::SetTunnelOptions(socket->fd());
  TimedStop shaking(stop, kHandshakeTimeout, Reason::kHandshakeTimeout);
  certs::PeerExpectation nobody = certs::OneOf{};
  Result<certs::TlsStreamPtr, certs::Failure> secure =
      co_await certs::ServerHandshake(std::move(socket), tls_, std::move(nobody), certs::SystemWallTime(), shaking.token());
  shaking.Disarm();
  if (!secure) {
    log_.Limited(limiter_, obs::Level::kWarn, "tls", "handshake failed", {{"peer", peer}, {"error", secure.error().detail}});
    co_return;
  }
  http::H2Options options;
  std::ignore = co_await grpc_.ServeConnection(*std::move(secure), options, stop);
}

Task<http::Response> ControlPlane::Admin(const http::Request& request) {
  if (request.path() == "/metrics") co_return http::Response::Text(200, registry_.Text());
  if (request.path() == "/status") {
    http::Response response = http::Response::Text(200, StatusJson(statuses_));
    response.headers.Set("content-type", "application/json");
    co_return response;
  }
  if (request.path() == "/healthz/ready" || request.path() == "/ready") {
    co_return known_ ? http::Response::Text(200, "ready\n") : http::Response::Text(500, "not ready, pending: manifests\n");
  }
  co_return http::Response::Text(404, "not found\n");
}

}  // namespace aquifer::control
