// What is the same for all requests of one connection from a client. Made by whoever accepted it;
// outlives the exchanges. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "certs/identity.h"
#include "core/base/address.h"
#include "waypoint/client_address.h"
#include "waypoint/http_date.h"
#include "waypoint/request_record.h"
#include "waypoint/rules.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

struct ConnectionContext {
  Edge edge = Edge::kWaypoint;
  std::optional<certs::Identity> peer;  // authenticated
  Address peer_address;
  // Whom the connection is for: a service's address and port, a pod's, or our own listener's.
  Address local_address;
  // Of a waypoint, and of a connection that is routed as a whole; a gateway's HTTP listener is for
  // nobody in particular.
  std::optional<Destination> destination;
  // That the client asked for, where it speaks TLS with somebody behind us; lower case.
  std::string server_name;
  std::string route;  // of the whole connection; requests have their own
};

// What every exchange of a worker uses.
struct ExchangeParts {
  const RulesSlot& rules;
  Upstream& upstream;
  HttpDate& date;
  std::string own_principal;  // spiffe://, for x-forwarded-client-cert
  std::function<std::uint64_t()> random;
  std::function<std::int64_t()> unix_seconds;
  std::function<void(const ConnectionContext&, const RequestRecord&)> observe;
};

}  // namespace aquifer::waypoint
