// What of a refused workload or service holds all the same (mesh/decode.h): whom its waypoint
// guards and which policies are attached. A mistake elsewhere in the resource must not open what
// these close.
#include <algorithm>
#include <string>
#include <utility>

#include "mesh/decode.h"
#include "mesh/fields.h"

namespace aquifer::mesh {
namespace {

namespace wire = istio::workload;

// No name has a control character, so this leads nowhere and the connection is refused.
GatewayAddress Nowhere() { return GatewayAddress{NamespacedHostname{"", "\x01"}, 0}; }
// No policy has a key without a slash, so this one is missing for ever and denies.
constexpr std::string_view kUnreadableAttachment = "(an attachment that cannot be read)";

GatewayAddress ReadOrNowhere(const wire::GatewayAddress& message) {
  Decoded<GatewayAddress> gateway = DecodeGateway(message);
  return gateway.ok() ? *std::move(gateway) : Nowhere();
}

std::vector<Text> Attachments(const wire::Workload& message) {
  std::vector<Text> keys;
  for (const std::string& key : message.authorization_policies()) {
    if (keys.size() < kMaxAttachedPolicies && Name("", key).ok()) {
      keys.push_back(key);
    } else {
      keys.emplace_back(kUnreadableAttachment);
      break;
    }
  }
  return keys;
}

template <class T>
void AddOnce(T& values, typename T::value_type value) {
  if (values.size() >= kMaxAddresses) return;
  if (std::find(values.begin(), values.end(), value) == values.end()) {
    values.push_back(std::move(value));
  }
}

// An IPv4 prefix may come in the sixteen bytes of IPv6.
std::optional<Cidr> MakeCidr(const Ip& ip, const wire::NetworkAddress& sent) {
  const unsigned before = ip.is_v4() && sent.address().size() == 16 ? 96 : 0;
  if (sent.length() < before) return std::nullopt;
  return Cidr::Make(ip, sent.length() - before);
}

void AddReadableVips(const wire::Service& message, Service& service) {
  for (const wire::NetworkAddress& each : message.addresses()) {
    const std::optional<Ip> ip = Ip::FromBytes(each.address());
    if (!ip || !Name("", each.network()).ok()) continue;
    const unsigned whole = static_cast<unsigned>(each.address().size()) * 8;
    if (!each.has_length() || each.length() == whole) {
      AddOnce(service.vips, NetworkAddress{each.network(), *ip});
    } else if (const auto cidr = MakeCidr(*ip, each)) {
      AddOnce(service.cidr_vips, NetworkCidr{each.network(), *cidr});
    }
  }
}

}  // namespace

bool LeadsNowhere(const Rare<GatewayAddress>& waypoint) {
  return waypoint.has_value() && *waypoint == Nowhere();
}

std::optional<Workload> ClosedWorkload(const wire::Workload& message, const Workload* before) {
  if (before != nullptr) {
    Workload closed = *before;
    closed.authorization_policies = Attachments(message);
    if (message.has_waypoint()) closed.waypoint = ReadOrNowhere(message.waypoint());
    return closed;
  }
  // Without a name it is nobody's local workload, so that nothing is served in its name.
  const bool usable = Name("", message.uid()).ok() && Name("", message.network()).ok();
  // What is in the mesh must not be gone to in the clear for want of its description.
  const bool guarded = message.has_waypoint() || message.tunnel_protocol() != wire::NONE;
  if (!usable || !guarded || message.network_mode() != wire::STANDARD) return {};
  Workload closed;
  closed.uid = message.uid();
  closed.network = message.network();
  closed.authorization_policies = Attachments(message);
  closed.waypoint = message.has_waypoint() ? ReadOrNowhere(message.waypoint()) : Nowhere();
  for (const std::string& address : message.addresses()) {
    if (const auto ip = Ip::FromBytes(address)) AddOnce(closed.addresses, *ip);
  }
  return closed;
}

std::optional<Service> ClosedService(const wire::Service& message, const Service* before) {
  const bool guarded = message.has_waypoint() || message.weighted_waypoints_size() > 0;
  const bool named = Name("", message.namespace_()).ok() && Name("", message.hostname()).ok();
  // Nobody knows where the addresses of a new one lead: past its pods' proxies, in the clear.
  if (!named || (!guarded && before != nullptr)) return std::nullopt;
  Service closed = before == nullptr ? Service() : *before;
  if (closed.name.empty()) closed.name = message.hostname();
  closed.ns = message.namespace_();
  closed.hostname = message.hostname();
  // Weights that were refused say nothing about who gets how much: all of it goes to the first
  // waypoint.
  closed.weighted_waypoints.clear();
  if (!guarded) {
    closed.waypoint = Nowhere();
  } else {
    closed.waypoint = message.has_waypoint()
                          ? ReadOrNowhere(message.waypoint())
                          : ReadOrNowhere(message.weighted_waypoints(0).destination());
  }
  AddReadableVips(message, closed);
  const bool takes_nothing = closed.vips.empty() && closed.cidr_vips.empty();
  if (!guarded && takes_nothing) return std::nullopt;
  return closed;
}

}  // namespace aquifer::mesh
