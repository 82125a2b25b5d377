#include "waypoint/l4_index.h"

#include "tests/support/catch.h"
#include "tests/unit/waypoint/policy_text.h"
#include "waypoint/decode_l4_route.h"

namespace aquifer::waypoint {
namespace {

L4RoutePtr RouteOf(const std::string& text) {
  auto message = test::Parse<mesh::v1::L4Route>("namespace: 'app' " + text);
  Decoded<L4Route> route = DecodeL4Route(message);
  INFO((route.ok() ? "" : route.error().ToString()));
  REQUIRE(route.ok());
  return std::make_shared<const L4Route>(*std::move(route));
}

std::string RefusalOf(const std::string& text) {
  const auto route = DecodeL4Route(test::Parse<mesh::v1::L4Route>("namespace: 'app' " + text));
  return route.ok() ? "" : route.error().ToString();
}

std::string At(const std::string& listener) {
  return " listeners { namespace: 'edge' name: 'gw' listener: '" + listener + "' } ";
}

Gateway GatewayWith(std::vector<Listener> listeners) {
  Gateway gateway;
  gateway.name = {"edge", "gw"};
  gateway.listeners = std::move(listeners);
  return gateway;
}

std::string NameOf(const L4Route* route) { return route == nullptr ? "none" : route->name.name; }

std::string Tls(const std::string& name, const std::string& rest) {
  return "kind: L4_ROUTE_KIND_TLS name: '" + name + "' " + rest;
}

TEST_CASE("of several routes of a TCP listener the oldest serves, then the first by name") {
  const Gateway gateway = GatewayWith({{"a", 1, ListenerProtocol::kTcp, ""},
                                       {"b", 2, ListenerProtocol::kTcp, ""},
                                       {"c", 3, ListenerProtocol::kTcp, ""}});
  const std::string kind = "kind: L4_ROUTE_KIND_TCP ";
  const L4Index index(gateway, {RouteOf(kind + "name: 'young' creation_seconds: 9" + At("a")),
                                RouteOf(kind + "name: 'z' creation_seconds: 5" + At("a") + At("b")),
                                RouteOf(kind + "name: 'y' creation_seconds: 5" + At("b"))});
  CHECK(NameOf(index.ForTcp(1)) == "z");
  CHECK(NameOf(index.ForTcp(2)) == "y");
  CHECK(NameOf(index.ForTcp(3)) == "none");
  CHECK(NameOf(index.ForUdp(1)) == "none");
}

TEST_CASE("a route is for listeners of its own kind and of its own Gateway") {
  const Gateway gateway =
      GatewayWith({{"tcp", 1, ListenerProtocol::kTcp, ""}, {"udp", 1, ListenerProtocol::kUdp, ""}});
  const L4Index index(
      gateway, {RouteOf("kind: L4_ROUTE_KIND_UDP name: 'u'" + At("tcp") + At("udp")),
                RouteOf("kind: L4_ROUTE_KIND_TCP name: 't' listeners { namespace: 'edge' name: "
                        "'other' listener: 'tcp' }")});
  CHECK(NameOf(index.ForTcp(1)) == "none");
  CHECK(NameOf(index.ForUdp(1)) == "u");
}

TEST_CASE("a server name goes to the most specific name of a route") {
  const Gateway gateway = GatewayWith({{"tls", 443, ListenerProtocol::kTls, ""}});
  const L4Index index(gateway,
                      {RouteOf(Tls("any", At("tls"))),
                       RouteOf(Tls("wide", "hostnames: '*.example.com'" + At("tls"))),
                       RouteOf(Tls("narrow", "hostnames: '*.shop.example.com'" + At("tls"))),
                       RouteOf(Tls("exact", "hostnames: 'A.shop.example.com'" + At("tls")))});
  CHECK(NameOf(index.ForTls(443, "a.shop.example.com")) == "exact");
  CHECK(NameOf(index.ForTls(443, "b.shop.example.com")) == "narrow");
  CHECK(NameOf(index.ForTls(443, "shop.example.com")) == "wide");
  CHECK(NameOf(index.ForTls(443, "example.com")) == "any");
  CHECK(NameOf(index.ForTls(443, "")) == "any");
  CHECK(NameOf(index.ForTls(444, "a.shop.example.com")) == "none");
}

TEST_CASE("only what listener and route have in common is taken") {
  const Gateway gateway = GatewayWith({{"wide", 443, ListenerProtocol::kTls, "*.example.com"},
                                       {"exact", 443, ListenerProtocol::kTls, "a.example.com"}});
  const L4Index index(gateway, {RouteOf(Tls("w", "hostnames: '*.com'" + At("wide"))),
                                RouteOf(Tls("e", "hostnames: 'b.example.com'" + At("exact")))});
  CHECK(NameOf(index.ForTls(443, "c.example.com")) == "w");
  CHECK(NameOf(index.ForTls(443, "other.com")) == "none");
  // The listener that owns the name has no route for it.
  CHECK(NameOf(index.ForTls(443, "a.example.com")) == "none");
  CHECK(NameOf(index.ForTls(443, "")) == "none");
}

TEST_CASE("a route that cannot be read whole is refused by the field") {
  CHECK(RefusalOf("name: 'r'").starts_with("kind"));
  CHECK(
      RefusalOf("name: 'r' kind: L4_ROUTE_KIND_TLS hostnames: 'a..b'").starts_with("hostnames[0]"));
  CHECK(RefusalOf("name: 'r' kind: L4_ROUTE_KIND_TCP listeners { namespace: 'a' name: 'b' }")
            .starts_with("listeners[0].listener"));
}

TEST_CASE("a backend that cannot be used stays in its place") {
  const L4RoutePtr route = RouteOf(
      "kind: L4_ROUTE_KIND_UDP name: 'r' backends { weight: 2 invalid: 'gone' } backends { weight: "
      "1 "
      "service { namespace: 'app' hostname: 'dns' port: 53 } endpoints: '10.0.0.1:53' } backends { "
      "weight: 1 service { namespace: 'app' hostname: 'dns' port: 53 } endpoints: '10.0.0.1' }");
  REQUIRE(route->backends.size() == 3);
  CHECK(route->backends[0].invalid == "gone");
  CHECK(route->backends[1].invalid.empty());
  REQUIRE(route->backends[1].endpoints.size() == 1);
  CHECK(route->backends[1].endpoints[0].ToString() == "10.0.0.1:53");
  CHECK(route->backends[2].invalid.find("endpoints[0]") != std::string::npos);
}

TEST_CASE("a refused route still takes what was meant for it, and nothing of others") {
  const auto refused = [](const std::string& text) {
    return RefusedL4Route(test::Parse<mesh::v1::L4Route>("namespace: 'app' name: 'r' " + text),
                          "TLSRoute/app/r", Refusal{"backends", "too many"});
  };
  const L4Route route =
      refused("kind: L4_ROUTE_KIND_TLS hostnames: 'a.com' hostnames: '..'" + At("tls"));
  CHECK(route.refused == Refusal{"backends", "too many"}.ToString());
  CHECK(route.hostnames == std::vector<std::string>{"a.com"});
  CHECK(route.listeners.size() == 1);
  CHECK(route.backends.empty());
  CHECK(refused("kind: L4_ROUTE_KIND_TLS hostnames: '..'" + At("tls")).listeners.empty());
}

}  // namespace
}  // namespace aquifer::waypoint
