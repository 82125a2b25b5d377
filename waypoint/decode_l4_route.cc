#include "waypoint/decode_l4_route.h"

#include <algorithm>
#include <optional>

#include "mesh/proto/waypoint.pb.h"
#include "waypoint/decode_filters.h"
#include "waypoint/decode_route.h"
#include "waypoint/field_check.h"
#include "waypoint/unknown_fields.h"

namespace aquifer::waypoint {
namespace {

constexpr int kMaxHostnames = 64;
constexpr int kMaxListeners = 512;
constexpr int kMaxBackends = 64;
constexpr int kMaxEndpoints = 1024;
constexpr std::uint32_t kMaxWeight = 1'000'000;  // the API's own bound

std::optional<L4Route::Kind> KindOf(mesh::v1::L4RouteKind kind) {
  switch (kind) {
    case mesh::v1::L4_ROUTE_KIND_TCP:
      return L4Route::Kind::kTcp;
    case mesh::v1::L4_ROUTE_KIND_TLS:
      return L4Route::Kind::kTls;
    case mesh::v1::L4_ROUTE_KIND_UDP:
      return L4Route::Kind::kUdp;
    default:
      return std::nullopt;
  }
}

Check DecodeEndpoints(const mesh::v1::L4Backend& message, const std::string& field,
                      L4Backend& backend) {
  AQ_TRY_STATUS(CheckCount(message.endpoints_size(), kMaxEndpoints, field));
  for (int i = 0; i < message.endpoints_size(); ++i) {
    const std::optional<Address> address = Address::Parse(message.endpoints(i));
    if (!address || address->port == 0) return Refusal{At(field, i), "is not an address and port"};
    backend.endpoints.push_back(*address);
  }
  return {};
}

L4Backend DecodeBackend(const mesh::v1::L4Backend& message, const std::string& field) {
  L4Backend backend;
  backend.weight = std::min(message.weight(), kMaxWeight);
  backend.invalid = message.invalid().substr(0, 256);
  Decoded<ServiceRef> service =
      DecodeServiceRef(message.service(), PortRequired::kYes, field + ".service");
  const Check endpoints = DecodeEndpoints(message, field + ".endpoints", backend);
  if (backend.invalid.empty() && !service.ok()) backend.invalid = service.error().ToString();
  if (backend.invalid.empty() && !endpoints.ok()) backend.invalid = endpoints.error().ToString();
  if (service.ok()) backend.service = *std::move(service);
  return backend;
}

}  // namespace

Decoded<L4Route> DecodeL4Route(const mesh::v1::L4Route& message) {
  AQ_TRY_STATUS(CheckName(message.namespace_(), "namespace"));
  AQ_TRY_STATUS(CheckName(message.name(), "name"));
  AQ_TRY_STATUS(CheckCount(message.hostnames_size(), kMaxHostnames, "hostnames"));
  AQ_TRY_STATUS(CheckCount(message.listeners_size(), kMaxListeners, "listeners"));
  AQ_TRY_STATUS(CheckCount(message.backends_size(), kMaxBackends, "backends"));
  if (HasUnknownFields(message)) return Refusal{"", "has fields that this version does not know"};
  const std::optional<L4Route::Kind> kind = KindOf(message.kind());
  if (!kind) return Refusal{"kind", "unknown value " + std::to_string(message.kind())};
  L4Route route;
  route.kind = *kind;
  route.name = {message.namespace_(), message.name()};
  route.creation_seconds = message.creation_seconds();
  for (int i = 0; i < message.hostnames_size(); ++i) {
    AQ_TRY_STATUS(CheckHostname(message.hostnames(i), At("hostnames", i)));
    route.hostnames.push_back(LowerCase(message.hostnames(i)));
  }
  for (int i = 0; i < message.listeners_size(); ++i) {
    AQ_TRY(ListenerRef listener, DecodeListenerRef(message.listeners(i), At("listeners", i)));
    route.listeners.push_back(std::move(listener));
  }
  for (int i = 0; i < message.backends_size(); ++i) {
    route.backends.push_back(DecodeBackend(message.backends(i), At("backends", i)));
  }
  return route;
}

L4Route RefusedL4Route(const mesh::v1::L4Route& message, const std::string& resource_name,
                       const Refusal& refusal) {
  L4Route route;
  route.refused = refusal.ToString();
  route.kind = KindOf(message.kind()).value_or(L4Route::Kind::kTcp);
  route.creation_seconds = message.creation_seconds();
  route.name.name = resource_name.substr(0, 512);
  if (CheckName(message.namespace_(), "").ok() && CheckName(message.name(), "").ok())
    route.name = {message.namespace_(), message.name()};
  // All of them, however many: each costs less than the bytes that it came in.
  for (const mesh::v1::GatewayListenerRef& message_ref : message.listeners()) {
    Decoded<ListenerRef> listener = DecodeListenerRef(message_ref, "");
    if (listener.ok()) route.listeners.push_back(*std::move(listener));
  }
  for (const std::string& hostname : message.hostnames()) {
    if (CheckHostname(hostname, "").ok()) route.hostnames.push_back(LowerCase(hostname));
  }
  // It must not take the names of others.
  if (route.hostnames.empty() && message.hostnames_size() > 0) route.listeners.clear();
  return route;
}

}  // namespace aquifer::waypoint
