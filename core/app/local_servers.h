// The small HTTP servers that each program has beside its work: admin, metrics, readiness. The
// program's control loop owns them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/http/server.h"
#include "core/obs/metrics.h"
#include "core/rt/scope.h"

namespace aquifer::app {

class LocalServers {
 public:
  // Binds `address`; where the machine has no IPv6, every address of it means every one of IPv4.
  // The refusal's field is `what`.
  Result<void, Refusal> Listen(const std::string& what, Address address,
                               http::Server::Handler handler);
  // Spawns them all; they end at `stop`, before this does.
  void Serve(Scope& tasks, StopToken stop);
  // Of the server bound as the `index`th.
  Address local(std::size_t index) const { return servers_[index]->local(); }

 private:
  std::vector<std::unique_ptr<http::Server>> servers_;
};

// /metrics and /stats/prometheus (core/app/stats_page.h), in the form and, if it is gzip, the
// encoding that the caller accepts. `registry` outlives it. `more` gives families besides, without
// "# EOF".
http::Server::Handler StatsHandler(const obs::Registry& registry,
                                   std::function<std::string()> more = {});

// /healthz/ready: 200, or 500 with what still has to happen.
http::Server::Handler ReadyHandler(std::function<std::vector<std::string>()> pending);

}  // namespace aquifer::app
