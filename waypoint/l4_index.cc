#include "waypoint/l4_index.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace aquifer::waypoint {
namespace {

bool IsOlder(const L4RoutePtr& a, const L4RoutePtr& b) {
  return std::tie(a->creation_seconds, a->name) < std::tie(b->creation_seconds, b->name);
}

std::optional<L4Route::Kind> KindFor(ListenerProtocol protocol) {
  switch (protocol) {
    case ListenerProtocol::kTcp:
      return L4Route::Kind::kTcp;
    case ListenerProtocol::kTls:
      return L4Route::Kind::kTls;
    case ListenerProtocol::kUdp:
      return L4Route::Kind::kUdp;
    case ListenerProtocol::kHttp:
    case ListenerProtocol::kHbone:
    case ListenerProtocol::kOther:
      break;
  }
  return std::nullopt;
}

bool IsAttached(const L4Route& route, const Gateway& gateway, const Listener& listener) {
  return std::any_of(route.listeners.begin(), route.listeners.end(), [&](const ListenerRef& ref) {
    return ref.gateway == gateway.name && ref.listener == listener.name;
  });
}

}  // namespace

L4Index::L4Index(const Gateway& gateway, std::vector<L4RoutePtr> routes) {
  std::sort(routes.begin(), routes.end(), IsOlder);
  for (const Listener& listener : gateway.listeners) {
    const std::optional<L4Route::Kind> kind = KindFor(listener.protocol);
    if (!kind) continue;
    ByName by_name;
    for (const L4RoutePtr& route : routes) {
      if (route->kind != *kind || !IsAttached(*route, gateway, listener)) continue;
      if (*kind == L4Route::Kind::kTcp) tcp_.try_emplace(listener.port, route);
      if (*kind == L4Route::Kind::kUdp) udp_.try_emplace(listener.port, route);
      if (route->hostnames.empty()) by_name.Put("", route);
      for (const std::string& name : route->hostnames) by_name.Put(name, route);
    }
    if (*kind == L4Route::Kind::kTls)
      tls_[listener.port].Put(listener.hostname, std::move(by_name));
  }
}

const L4Route* L4Index::ForTls(std::uint16_t port, std::string_view server_name) const {
  const auto of_port = tls_.find(port);
  if (of_port == tls_.end()) return nullptr;
  const ByName* const listener = of_port->second.Find(server_name);
  if (listener == nullptr) return nullptr;
  const L4RoutePtr* const route = listener->Find(server_name);
  return route == nullptr ? nullptr : route->get();
}

}  // namespace aquifer::waypoint
