// The control plane as a whole: follows the manifests, reconciles, serves xDS and certificates over TLS, and says how it is doing. main()
// builds one and runs it. One loop, and the thread that reads files.
#pragma once

#include <memory>
#include <string>

#include "certs/ca_service.h"
#include "certs/local_ca.h"
#include "certs/tls_context.h"
#include "control/config.h"
#include "control/reconcile/status.h"
#include "control/source/follower.h"
#include "control/tokens.h"
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

 private:
  Result<void, Refusal> LoadCa();
  Result<void, Refusal> RenewServerCertificate();
  Result<void, Refusal> StartServers(StopToken stop);
  void Take(Observation observation);
  void LogRefusals(const Observation& observation);
  Task<void> AcceptLoop(StopToken stop);
  Task<void> ServeConnection(io::SocketPtr socket, StopToken stop);
  Task<void> RenewLoop(StopToken stop);
  Task<http::Response> Admin(const http::Request& request);

  const ControlConfig& config_;
  obs::Logger& log_;
  obs::Registry& registry_;
  obs::CounterFamily& refused_manifests_;
  obs::Handle<obs::Gauge> objects_gauge_;
  obs::RateLimiter limiter_{10};
  std::optional<certs::LocalCa> ca_;
  certs::TlsContextRef tls_;
  Tokens tokens_;
  std::shared_ptr<const ObjectSet> objects_ = std::make_shared<const ObjectSet>();
  TokenPolicy policy_;
  XdsServer xds_;
  std::optional<certs::CaService> ca_service_;
  http::GrpcServer grpc_;
  std::shared_ptr<const ResourceTable> table_ = std::make_shared<const ResourceTable>();
  StatusMap statuses_;
  std::set<std::string> known_refusals_;
  bool known_ = false;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<http::Server> admin_;
  Scope tasks_;
};

}  // namespace aquifer::control
