// The control plane as a whole: follows the manifests or a cluster, reconciles, serves xDS and
// certificates over TLS, and says how it is doing. main() builds one and runs it. One loop, and the
// thread that reads files and reconciles.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "certs/ca_service.h"
#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "control/ca_state.h"
#include "control/callers.h"
#include "control/config.h"
#include "control/controller.h"
#include "control/deploy/deployer.h"
#include "control/metrics.h"
#include "control/publication.h"
#include "control/shared_ca.h"
#include "control/source/follower.h"
#include "control/tokens.h"
#include "control/write/cluster_writer.h"
#include "control/xds_server.h"
#include "core/http/server.h"
#include "core/rt/scope.h"

namespace aquifer::control {

class ControlPlane {
 public:
  // All references outlive it.
  ControlPlane(const ControlConfig& config, obs::Logger& log, obs::Registry& registry);

  // Serves until `stop`. The refusal says which part could not be started.
  Task<Result<void, Refusal>> Run(StopToken stop);

  // Where it listens, once it does: for callers that let the kernel choose the port.
  Address discovery_address() const { return listener_->local(); }
  Address admin_address() const { return admin_->local(); }
  // Becomes set with the first reading of the objects.
  Event& known() { return known_; }

 private:
  Task<Result<void, Refusal>> Serve(StopToken stop);
  Result<void, Refusal> FindCluster();
  Task<Result<void, Refusal>> BringSharedCa(StopToken stop);
  Result<void, Refusal> OpenCa();
  Task<void> FollowCa(StopToken stop);
  Result<void, Refusal> TakeCa();
  Decoded<certs::TlsContextRef> ServerTls(const certs::LocalCa& ca) const;
  Result<void, Refusal> RenewServerCertificate();
  Result<void, Refusal> StartServers(StopToken stop);
  Task<Result<void, Refusal>> Follow(StopToken stop);
  std::function<void(Observation)> Reconciling(std::shared_ptr<bool> alive);
  void MakeWriter();
  Decoded<std::unique_ptr<Follower>> StartFollower(std::function<void(Observation)> sink);
  void StartDeploying();
  void Take(PublicationRef publication);
  PublicationRef WithDeployments() const;
  void ShowDeployments();
  void FollowTokens(const std::set<Caller>& callers);
  Task<void> FollowTokenFiles(StopToken stop);
  Task<void> AcceptLoop(StopToken stop);
  bool Admit(const Ip& peer);
  Task<void> ServeConnection(io::SocketPtr socket, StopToken stop);
  Task<void> ServeSecurely(io::SocketPtr socket, StopToken stop);
  Task<void> RenewLoop(StopToken stop);
  Task<http::Response> Admin(const http::Request& request, StopToken stop);

  const ControlConfig& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  ControlMetrics metrics_;
  obs::RateLimiter limiter_{10};
  std::unique_ptr<ApiClient> ca_client_;  // null: the CA is not shared
  std::optional<SharedCa> shared_ca_;     // likewise
  std::string ca_problem_;                // as logged last
  std::optional<ClusterAccess> cluster_;  // none: manifests are followed
  std::optional<CaState> ca_;
  certs::TlsContextRef tls_;
  Controller controller_;  // of the follower's thread
  Tokens tokens_;
  std::string token_problem_;  // as logged last
  std::shared_ptr<const ObjectSet> objects_ = std::make_shared<const ObjectSet>();
  Callers callers_;
  TokenPolicy policy_;
  std::unique_ptr<ClusterWriter> writer_;  // null unless we write to a cluster
  XdsServer xds_;
  std::unique_ptr<ApiObjectWriter> object_writer_;  // null: nothing is written into a cluster
  std::unique_ptr<Deployer> deployer_;              // likewise
  std::optional<certs::CaService> ca_service_;
  http::GrpcServer grpc_;
  PublicationRef published_;    // as it came; null before the first reading
  PublicationRef publication_;  // the same with what the deployer has to say
  Event known_;
  std::unique_ptr<io::Listener> listener_;
  std::size_t connections_ = 0;
  std::map<Ip, std::size_t> connections_of_;
  http::Server::Handler pages_;
  std::unique_ptr<http::Server> admin_;
  Scope tasks_;
};

}  // namespace aquifer::control
