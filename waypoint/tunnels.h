// A waypoint's side of HBONE: each CONNECT becomes a connection to a service or pod that is bound
// to us, and what flows in it is served as HTTP or copied. One worker; one thread.
#pragma once

#include <string>

#include "core/obs/log.h"
#include "core/obs/mesh_metrics.h"
#include "core/obs/rate_limiter.h"
#include "hbone/server.h"
#include "waypoint/backends.h"
#include "waypoint/connection.h"
#include "waypoint/mesh_backends.h"

namespace aquifer::waypoint {

class Tunnels final : public hbone::ConnectHandler {
 public:
  // All references outlive it.
  Tunnels(const ExchangeParts& parts, const MeshSlot& mesh, const OwnWorkload& own,
          Backends& backends, const ConnectionLimits& limits, obs::Logger& log,
          obs::HboneMetrics& metrics, StopToken drain)
      : parts_(parts),
        mesh_(mesh),
        own_(own),
        backends_(backends),
        limits_(limits),
        log_(log),
        metrics_(metrics),
        drain_(drain) {}

  Task<void> OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) override;
  void OnHandshakeFailed(const Address& peer, const Address& local, const Error& error,
                         const std::string& detail) override;
  void OnBadRequest(const Address& peer, const certs::Identity& identity,
                    const Refusal& refusal) override;
  void OnConnectionBroken(const Address& peer, const certs::Identity& identity,
                          const Error& error) override;

 private:
  const ExchangeParts& parts_;
  const MeshSlot& mesh_;
  const OwnWorkload& own_;
  Backends& backends_;
  const ConnectionLimits& limits_;
  obs::Logger& log_;
  obs::HboneMetrics& metrics_;
  const StopToken drain_;
  obs::RateLimiter refused_{10};
};

}  // namespace aquifer::waypoint
