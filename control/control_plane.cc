#include "control/control_plane.h"

#include <random>

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "control/admin.h"
#include "control/source/cluster_follower.h"
#include "control/source/directory_follower.h"
#include "core/rt/timer.h"

namespace aquifer::control {
namespace {

constexpr auto kHandshakeTimeout = std::chrono::seconds(5);
constexpr auto kTokenFilesPeriod = std::chrono::seconds(10);
constexpr auto kCaPeriod = std::chrono::minutes(1);
constexpr auto kServerCertificateLife = std::chrono::hours(24 * 30);
// From anybody: a CSR and what goes with it. Discovery takes more from those who have shown a
// token.
constexpr std::size_t kMaxRequestBytes = 128 << 10;
// Each proxy has two connections, so this is a mesh of some thousand nodes and waypoints.
constexpr std::size_t kMaxConnections = 8192;
// One pod must not take the places of all others; several proxies may share a machine's address.
constexpr std::size_t kMaxConnectionsOfPeer = 256;

// What an unknown client can make one connection hold.
http::H2Options ConnectionOptions() {
  http::H2Options options;
  options.settings.max_concurrent_streams = 64;
  options.settings.stream_window_bytes = 64 << 10;
  options.settings.max_stream_window_bytes = 1 << 20;
  options.settings.window_growth_bytes = 4 << 20;
  options.settings.connection_window_bytes = 8 << 20;
  options.settings.max_frame_bytes = 64 << 10;
  return options;
}

certs::SubjectNames NamesOf(const ControlConfig& config) {
  certs::SubjectNames names;
  std::string list = config.host_names;
  if (!config.listen.ip.is_any()) list += "," + config.listen.ip.ToString();
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, comma - at);
    at = comma + 1;
    if (const std::optional<Ip> ip = Ip::Parse(name)) {
      names.ips.push_back(*ip);
    } else if (!name.empty()) {
      names.dns.push_back(name);
    }
  }
  return names;
}

CallerOptions OptionsOf(const ControlConfig& config) {
  CallerOptions options;
  options.audience = config.token_audience;
  options.trust_domain = config.mesh.trust_domain;
  options.node_accounts = config.node_accounts;
  return options;
}

}  // namespace

ControlPlane::ControlPlane(const ControlConfig& config, obs::Logger& log, obs::Registry& registry)
    : config_(config),
      log_(log),
      registry_(registry),
      metrics_(registry),
      controller_(config.mesh, log, metrics_),
      tokens_(config.state + "/tokens"),
      callers_(tokens_, objects_, OptionsOf(config), log),
      policy_(callers_, tokens_, objects_, config.mesh.trust_domain, log, metrics_),
      xds_(callers_, log, registry),
      grpc_(kMaxRequestBytes),
      pages_(AdminHandler([this] { return publication_; }, log)) {}

Task<Result<void, Refusal>> ControlPlane::Run(StopToken stop) {
  Result<void, Refusal> outcome = co_await Serve(stop);
  co_await callers_.Shutdown();
  if (object_writer_) co_await object_writer_->Shutdown();
  if (ca_client_) co_await ca_client_->Shutdown();
  log_.Info("control", "ended");
  co_return outcome;
}

Task<Result<void, Refusal>> ControlPlane::Serve(StopToken stop) {
  AQ_CO_TRY_STATUS(FindCluster());
  const Result<void, Refusal> brought = co_await BringSharedCa(stop);
  AQ_CO_TRY_STATUS(brought);
  AQ_CO_TRY_STATUS(OpenCa());
  AQ_CO_TRY_STATUS(RenewServerCertificate());
  ca_service_.emplace(ca_->ca, policy_, &certs::SystemWallTime);
  ca_service_->RegisterWith(grpc_);
  xds_.RegisterWith(grpc_);
  StopSource ended(stop);
  Result<void, Refusal> outcome = StartServers(ended.token());
  if (outcome.ok()) {
    tasks_.Spawn(RenewLoop(ended.token()));
    tasks_.Spawn(FollowTokenFiles(ended.token()));
    tasks_.Spawn(FollowCa(ended.token()));
    outcome = co_await Follow(ended.token());
  }
  ended.RequestStop();
  co_await tasks_.Join();
  co_return outcome;
}

// The follower's thread reads and reconciles; what comes of it is posted to this loop.
Task<Result<void, Refusal>> ControlPlane::Follow(StopToken stop) {
  // What is still posted when we have ended must not touch us.
  const auto alive = std::make_shared<bool>(true);
  if (config_.cluster_writes && cluster_) MakeWriter();
  StartDeploying();
  Decoded<std::unique_ptr<Follower>> follower = StartFollower(Reconciling(alive));
  if (!follower.ok()) co_return std::move(follower).error();
  if (writer_ != nullptr) tasks_.Spawn(writer_->Run(stop));
  Event never;
  std::ignore = co_await never.Wait(stop);
  *alive = false;
  co_return Result<void, Refusal>();
}

std::function<void(Observation)> ControlPlane::Reconciling(std::shared_ptr<bool> alive) {
  return [this, &loop = Loop::Current(), alive](Observation observation) {
    PublicationRef publication = controller_.Take(std::move(observation));
    loop.Post([this, alive, publication = std::move(publication)] {
      if (*alive) Take(publication);
    });
  };
}

Result<void, Refusal> ControlPlane::FindCluster() {
  if (config_.kubernetes.empty()) return {};
  Decoded<ClusterAccess> access = FindAccess(config_.kubernetes);
  if (!access.ok()) return Refusal{"--kubernetes", access.error().ToString()};
  cluster_ = *std::move(access);
  return {};
}

void ControlPlane::StartDeploying() {
  const bool wanted = !config_.deploy.image.empty() || !config_.deploy.root_config_map.empty();
  if (writer_ == nullptr || !wanted) return;
  object_writer_ = std::make_unique<ApiObjectWriter>(*cluster_);
  deployer_ = std::make_unique<Deployer>(*object_writer_, config_.deploy, config_.mesh, log_);
  writer_->AddDuty([deployer = deployer_.get()](StopToken term) { return deployer->Run(term); });
  deployer_->SetRoots(ca_->ca.roots()->pem());
  deployer_->OnConditions([this] { ShowDeployments(); });
  deployer_->CountIn(metrics_);
}

// What is published, with statuses that speak of deployments, too.
PublicationRef ControlPlane::WithDeployments() const {
  if (deployer_ == nullptr) return published_;
  const bool concluded = deployer_->concluded();
  if (concluded && deployer_->conditions().empty()) return published_;
  auto shown = std::make_shared<Publication>(*published_);
  if (concluded) {
    AddConditions(deployer_->conditions(), shown->statuses);
  } else {
    KeepConditions(shown->statuses);
  }
  return shown;
}

void ControlPlane::ShowDeployments() {
  if (published_ == nullptr) return;
  publication_ = WithDeployments();
  if (writer_ != nullptr) writer_->Take(publication_);
}

Decoded<std::unique_ptr<Follower>> ControlPlane::StartFollower(
    std::function<void(Observation)> sink) {
  const bool of_cluster = cluster_.has_value();
  const std::string& source = of_cluster ? config_.kubernetes : config_.manifests;
  std::unique_ptr<Follower> follower;
  if (of_cluster) {
    callers_.ReviewBy(*cluster_);
    follower = std::make_unique<ClusterFollower>(*cluster_, std::move(sink), log_);
  } else {
    follower =
        std::make_unique<DirectoryFollower>(source, config_.state + "/manifests", std::move(sink));
  }
  const Status started = follower->Start();
  if (!started.ok()) {
    return Refusal{of_cluster ? "--kubernetes" : "--manifests",
                   source + " cannot be followed: " + Describe(started.error())};
  }
  log_.Info("control", "serving",
            {{"address", discovery_address().ToString()},
             {of_cluster ? "kubernetes" : "manifests", source}});
  return follower;
}

void ControlPlane::MakeWriter() {
  ClusterWriterOptions options;
  options.leader.namespace_name = LeaseNamespace(config_.leader_namespace, &ProcessVariable);
  options.leader.identity = LeaderIdentity(&ProcessVariable);
  options.mesh = config_.mesh;
  std::random_device seed;
  writer_ = std::make_unique<ClusterWriter>(*cluster_, std::move(options), log_, metrics_, seed());
}

Task<Result<void, Refusal>> ControlPlane::BringSharedCa(StopToken stop) {
  if (config_.ca_secret.second.empty()) co_return Result<void, Refusal>();
  ca_client_ = std::make_unique<ApiClient>(*cluster_, &certs::SystemWallTime);
  SharedCaOptions options;
  options.namespace_name = config_.ca_secret.first;
  options.name = config_.ca_secret.second;
  options.state_directory = config_.state;
  options.trust_domain = config_.mesh.trust_domain;
  shared_ca_.emplace(*ca_client_, std::move(options), log_);
  co_return co_await shared_ca_->Bring(stop);
}

Result<void, Refusal> ControlPlane::OpenCa() {
  Decoded<CaState> opened =
      OpenCaState(config_.state, config_.mesh.trust_domain, certs::SystemWallTime());
  if (!opened.ok()) return std::move(opened).error();
  ca_.emplace(*std::move(opened));
  // A root that has ended while nobody ran is announced and signs at once, in two steps.
  const bool ended = ca_->ca.certificate().not_after <= certs::SystemWallTime();
  for (int step = 0; ended && !shared_ca_ && step < 2; ++step) {
    AQ_TRY(const bool rotated,
           RotateLocalCa(config_.state, config_.mesh.trust_domain, certs::SystemWallTime()));
    if (!rotated) break;
    AQ_TRY(ca_->ca, LoadCa(config_.state + "/ca"));
  }
  if (ca_->made) log_.Info("ca", "a new root was made", {{"directory", config_.state + "/ca"}});
  return {};
}

// A root that is made here and nears its end gets a successor; what a Secret says counts as it is.
Task<void> ControlPlane::FollowCa(StopToken stop) {
  bool untaken = false;
  while (co_await SleepFor(kCaPeriod, stop)) {
    Decoded<bool> changed(false);
    if (shared_ca_) {
      changed = co_await shared_ca_->LookAgain(stop);
    } else {
      changed = RotateLocalCa(config_.state, config_.mesh.trust_domain, certs::SystemWallTime());
    }
    Result<void, Refusal> taken;
    if (!changed.ok()) {
      taken = changed.error();
    } else if (*changed || untaken) {
      taken = TakeCa();
      untaken = !taken.ok();
    }
    const std::string problem = taken.ok() ? "" : taken.error().ToString();
    if (!problem.empty() && problem != ca_problem_)
      log_.Error("ca", "the CA stays as it was", {{"error", problem}});
    ca_problem_ = problem;
  }
}

// From here on certificates are signed by it, and come with its roots.
Result<void, Refusal> ControlPlane::TakeCa() {
  AQ_TRY(certs::LocalCa ca, LoadCa(config_.state + "/ca"));
  // Whether it signs shows here, while the former one is still in use.
  AQ_TRY(certs::TlsContextRef tls, ServerTls(ca));
  ca_->ca = std::move(ca);
  tls_ = std::move(tls);
  log_.Info("ca", "the CA has changed", {{"roots", ca_->ca.roots()->certificates().size()}});
  if (deployer_ != nullptr) deployer_->SetRoots(ca_->ca.roots()->pem());
  return {};
}

Decoded<certs::TlsContextRef> ControlPlane::ServerTls(const certs::LocalCa& ca) const {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  Decoded<std::string> leaf =
      ca.IssueServer(key.get(), NamesOf(config_), kServerCertificateLife, certs::SystemWallTime());
  if (!leaf) return Refusal{"--host-names", leaf.error().ToString()};
  const std::vector<std::string> chain = ca.ResponseChain(*leaf);
  Decoded<certs::CertificateBundle> bundle =
      certs::CertificateBundle::FromResponse(std::move(key), chain);
  if (!bundle) return Refusal{"server certificate", bundle.error().ToString()};
  return certs::TlsContext::HostServer(*bundle, certs::PeerCertificate::kNone);
}

Result<void, Refusal> ControlPlane::RenewServerCertificate() {
  AQ_TRY(certs::TlsContextRef tls, ServerTls(ca_->ca));
  tls_ = std::move(tls);
  return {};
}

Task<void> ControlPlane::RenewLoop(StopToken stop) {
  while (true) {
    const Status slept = co_await SleepFor(kServerCertificateLife / 3, stop);
    if (!slept) co_return;
    const Result<void, Refusal> renewed = RenewServerCertificate();
    if (!renewed.ok()) {
      log_.Error("ca", "our own certificate could not be renewed",
                 {{"error", renewed.error().ToString()}});
    }
  }
}

Result<void, Refusal> ControlPlane::StartServers(StopToken stop) {
  Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(config_.listen);
  if (!listener) {
    return Refusal{"--listen",
                   config_.listen.ToString() + " cannot be bound: " + Describe(listener.error())};
  }
  Result<std::unique_ptr<io::Listener>> admin = io::Listener::Listen(config_.admin);
  if (!admin) {
    return Refusal{"--admin",
                   config_.admin.ToString() + " cannot be bound: " + Describe(admin.error())};
  }
  listener_ = *std::move(listener);
  admin_ = std::make_unique<http::Server>(
      *std::move(admin), http::ServerOptions{},
      [this](const http::Request& request, StopToken asked) { return Admin(request, asked); });
  tasks_.Spawn(AcceptLoop(stop));
  tasks_.Spawn(admin_->Run(stop));
  return {};
}

void ControlPlane::Take(PublicationRef publication) {
  published_ = std::move(publication);
  FollowTokens(published_->callers);
  objects_ = published_->objects;
  ShowDeployments();
  xds_.Publish(published_->table);
  known_.Set();
  if (deployer_ != nullptr) deployer_->Take(objects_);
}

void ControlPlane::FollowTokens(const std::set<Caller>& callers) {
  const Result<void, Refusal> tokens = tokens_.Follow(callers);
  const std::string problem = tokens.ok() ? "" : tokens.error().ToString();
  if (!problem.empty() && problem != token_problem_)
    log_.Error("ca", "a token could not be kept", {{"error", problem}});
  token_problem_ = problem;
}

// An operator exchanges a token without a change of the manifests.
Task<void> ControlPlane::FollowTokenFiles(StopToken stop) {
  while (co_await SleepFor(kTokenFilesPeriod, stop)) {
    if (publication_ != nullptr) FollowTokens(publication_->callers);
  }
}

Task<void> ControlPlane::AcceptLoop(StopToken stop) {
  Scope connections;
  while (true) {
    Result<io::SocketPtr> socket = co_await listener_->Accept(stop);
    if (stop.requested()) break;
    if (!socket.ok()) {
      std::ignore = co_await SleepFor(std::chrono::milliseconds(50), stop);
    } else if (Admit((*socket)->peer().ip)) {
      connections.Spawn(ServeConnection(*std::move(socket), stop));
    }
  }
  co_await connections.Join();
}

bool ControlPlane::Admit(const Ip& peer) {
  const auto found = connections_of_.find(peer);
  const std::size_t of_peer = found == connections_of_.end() ? 0 : found->second;
  if (connections_ < kMaxConnections && of_peer < kMaxConnectionsOfPeer) return true;
  metrics_.connections.With({{"outcome", "overload"}})->Add();
  log_.Limited(limiter_, obs::Level::kWarn, "tls", "too many connections",
               {{"peer", peer.ToString()}, {"of_peer", of_peer}, {"of_all", connections_}});
  return false;
}

Task<void> ControlPlane::ServeConnection(io::SocketPtr socket, StopToken stop) {
  const Ip peer = socket->peer().ip;
  ++connections_;
  ++connections_of_[peer];
  co_await ServeSecurely(std::move(socket), stop);
  --connections_;
  if (--connections_of_[peer] == 0) connections_of_.erase(peer);
}

Task<void> ControlPlane::ServeSecurely(io::SocketPtr socket, StopToken stop) {
  const Address peer = socket->peer();
  io::SetTunnelOptions(socket->fd());
  TimedStop shaking(stop, kHandshakeTimeout, Reason::kHandshakeTimeout);
  certs::PeerExpectation nobody = certs::OneOf{};
  const certs::WallTime now = certs::SystemWallTime();
  Result<certs::TlsStreamPtr, certs::Failure> secure = co_await certs::ServerHandshake(
      std::move(socket), tls_, std::move(nobody), now, shaking.token());
  shaking.Disarm();
  metrics_.connections.With({{"outcome", secure.ok() ? "open" : "handshake_failed"}})->Add();
  if (!secure) {
    log_.Limited(limiter_, obs::Level::kWarn, "tls", "handshake failed",
                 {{"peer", peer.ToString()}, {"error", secure.error().detail}});
    co_return;
  }
  const http::H2Options options = ConnectionOptions();
  std::ignore = co_await grpc_.ServeConnection(*std::move(secure), options, stop, peer.ip);
}

// Metrics and readiness are for everybody; what the mesh looks like is for people on this machine.
Task<http::Response> ControlPlane::Admin(const http::Request& request, StopToken stop) {
  const std::string_view path = request.path();
  if (path == "/metrics") co_return http::Response::Text(200, registry_.Text());
  if (path == "/healthz/ready" || path == "/ready") {
    co_return publication_ != nullptr
        ? http::Response::Text(200, "ready\n")
        : http::Response::Text(500, config_.kubernetes.empty() ? "not ready, pending: manifests\n"
                                                               : "not ready, pending: cluster\n");
  }
  if (!request.peer.ip.is_loopback())
    co_return http::Response::Text(403, "from this machine only\n");
  co_return co_await pages_(request, stop);
}

}  // namespace aquifer::control
