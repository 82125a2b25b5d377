// Serves delta xDS: one XdsSession a stream, fed with the client's requests and with every new
// table. One loop.
#pragma once

#include <memory>
#include <set>

#include "control/callers.h"
#include "control/resources.h"
#include "control/xds_session.h"
#include "core/http/grpc_server.h"
#include "core/obs/log.h"
#include "core/obs/metrics.h"
#include "core/rt/event.h"

namespace aquifer::control {

class XdsServer {
 public:
  // All references outlive the server.
  XdsServer(Callers& callers, obs::Logger& log, obs::Registry& registry);

  void RegisterWith(http::GrpcServer& server);
  // From now on this is served; streams are told what changed.
  void Publish(std::shared_ptr<const ResourceTable> table);
  std::size_t streams() const { return streams_.size(); }

 private:
  struct Stream;
  std::size_t StreamsOf(const Caller& caller) const;
  Task<http::GrpcStatus> Serve(http::GrpcServerCall& call, StopToken stop);
  Task<void> ReadRequests(http::GrpcServerCall& call, Stream& stream, StopToken stop);
  bool TakeFirst(const XdsSession::Request& request, Stream& stream);

  Callers& callers_;
  obs::Logger& log_;
  obs::RateLimiter limiter_{10};
  obs::CounterFamily& rejections_;
  obs::CounterFamily& pushes_;
  obs::Handle<obs::Gauge> open_;
  std::shared_ptr<const ResourceTable> table_;
  std::set<Stream*> streams_;
};

}  // namespace aquifer::control
