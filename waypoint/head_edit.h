// What the proxy itself changes in heads on their way: the fields that Envoy of Istio adds, keeps
// and takes out at a waypoint or a gateway. Pure, any thread; random and time come in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/http/message.h"
#include "waypoint/client_address.h"

namespace aquifer::waypoint {

struct RequestEdit {
  Edge edge = Edge::kWaypoint;
  Ip peer;
  std::uint32_t num_trusted_proxies = 0;
  // Not empty: the value of x-forwarded-client-cert; it replaces what the client sent, which is
  // never believed.
  std::string client_cert;
  std::array<std::uint64_t, 2> random{};  // for x-request-id
};

// Before policies look: takes out what only proxies may say, and adds what every request has. False
// when the fields no longer fit.
[[nodiscard]] bool EditRequest(const RequestEdit& edit, http::RequestHead& head);

// Before a response goes to the client. Its hop-by-hop fields are gone already.
[[nodiscard]] bool EditResponse(std::chrono::milliseconds upstream_time, std::string_view date,
                                http::HeaderList& headers);

// A random UUID of RFC 9562 version 4.
std::string MakeUuid(const std::array<std::uint64_t, 2>& random);

}  // namespace aquifer::waypoint
