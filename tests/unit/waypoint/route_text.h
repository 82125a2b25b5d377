// Routes in short form for tests: protobuf text in, decoded routes and indexes out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/waypoint/policy_text.h"
#include "waypoint/decode_route.h"
#include "waypoint/route_index.h"

namespace aquifer::waypoint::test {

inline RoutePtr RouteOf(const std::string& text) {
  auto message = Parse<mesh::v1::HttpRoute>(text);
  if (message.namespace_().empty()) message.set_namespace_("app");
  if (message.name().empty()) message.set_name("route");
  Decoded<HttpRoute> route = DecodeHttpRoute(message);
  INFO((route.ok() ? "" : route.error().ToString()));
  REQUIRE(route.ok());
  return std::make_shared<const HttpRoute>(*std::move(route));
}

// Backends are named by the first label of their host.
inline std::string BackendOf(const RouteRule* rule) {
  if (rule == nullptr) return "none";
  if (rule->backends.empty()) return "empty";
  const std::string& host = rule->backends[0].service.hostname;
  return host.substr(0, host.find('.'));
}

inline std::string To(const std::string& name) {
  return R"(backends { weight: 1 service { namespace: "app" port: 80 hostname: ")" + name +
         R"(.app.svc.cluster.local" } })";
}

}  // namespace aquifer::waypoint::test
