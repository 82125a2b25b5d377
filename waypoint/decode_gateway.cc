#include "waypoint/decode_gateway.h"

#include <algorithm>

#include "mesh/proto/waypoint.pb.h"
#include "waypoint/field_check.h"

namespace aquifer::waypoint {
namespace {

constexpr int kMaxListeners = 64;
constexpr int kMaxAddresses = 64;
constexpr int kMaxAliases = 64;
constexpr std::uint32_t kMaxTrustedProxies = 64;

ListenerProtocol DecodeProtocol(mesh::v1::ListenerProtocol protocol) {
  switch (protocol) {
    case mesh::v1::LISTENER_PROTOCOL_HTTP:
      return ListenerProtocol::kHttp;
    case mesh::v1::LISTENER_PROTOCOL_HBONE:
      return ListenerProtocol::kHbone;
    case mesh::v1::LISTENER_PROTOCOL_TCP:
      return ListenerProtocol::kTcp;
    case mesh::v1::LISTENER_PROTOCOL_TLS:
      return ListenerProtocol::kTls;
    case mesh::v1::LISTENER_PROTOCOL_UDP:
      return ListenerProtocol::kUdp;
    default:
      return ListenerProtocol::kOther;  // not served
  }
}

Decoded<WaypointFor> DecodeWaypointFor(mesh::v1::WaypointFor value) {
  switch (value) {
    case mesh::v1::WAYPOINT_FOR_SERVICE:
      return WaypointFor::kService;
    case mesh::v1::WAYPOINT_FOR_WORKLOAD:
      return WaypointFor::kWorkload;
    case mesh::v1::WAYPOINT_FOR_ALL:
      return WaypointFor::kAll;
    case mesh::v1::WAYPOINT_FOR_NONE:
      return WaypointFor::kNone;
    default:
      return Refusal{"waypoint_for", "unknown value " + std::to_string(value)};
  }
}

Decoded<PathNormalization> DecodeNormalization(mesh::v1::PathNormalization value) {
  switch (value) {
    case mesh::v1::PATH_NORMALIZATION_BASE:
      return PathNormalization::kBase;
    case mesh::v1::PATH_NORMALIZATION_NONE:
      return PathNormalization::kNone;
    case mesh::v1::PATH_NORMALIZATION_MERGE_SLASHES:
      return PathNormalization::kMergeSlashes;
    case mesh::v1::PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES:
      return PathNormalization::kDecodeAndMergeSlashes;
    default:
      return Refusal{"mesh.path_normalization", "unknown value " + std::to_string(value)};
  }
}

Decoded<Listener> DecodeListener(const mesh::v1::Listener& message, const std::string& field) {
  AQ_TRY_STATUS(CheckName(message.name(), field + ".name"));
  if (message.port() == 0 || message.port() > 65535) {
    return Refusal{field + ".port", "is not a port"};
  }
  if (!message.hostname().empty()) {
    AQ_TRY_STATUS(CheckHostname(message.hostname(), field + ".hostname"));
  }
  return Listener{.name = message.name(),
                  .port = static_cast<std::uint16_t>(message.port()),
                  .protocol = DecodeProtocol(message.protocol()),
                  .hostname = LowerCase(message.hostname())};
}

Decoded<MeshSettings> DecodeMesh(const mesh::v1::MeshSettings& message) {
  MeshSettings mesh;
  if (!message.root_namespace().empty()) mesh.root_namespace = message.root_namespace();
  if (!message.trust_domain().empty()) mesh.trust_domain = message.trust_domain();
  AQ_TRY_STATUS(CheckName(mesh.root_namespace, "mesh.root_namespace"));
  AQ_TRY_STATUS(CheckName(mesh.trust_domain, "mesh.trust_domain"));
  const int aliases = message.trust_domain_aliases_size();
  AQ_TRY_STATUS(CheckCount(aliases, kMaxAliases, "mesh.trust_domain_aliases"));
  for (int i = 0; i < aliases; ++i) {
    const std::string& alias = message.trust_domain_aliases(i);
    AQ_TRY_STATUS(CheckName(alias, At("mesh.trust_domain_aliases", i)));
    mesh.trust_domain_aliases.push_back(alias);
  }
  AQ_TRY(mesh.path_normalization, DecodeNormalization(message.path_normalization()));
  mesh.num_trusted_proxies = std::min(message.num_trusted_proxies(), kMaxTrustedProxies);
  return mesh;
}

}  // namespace

Decoded<Gateway> DecodeGateway(const mesh::v1::Gateway& message) {
  AQ_TRY_STATUS(CheckName(message.namespace_(), "namespace"));
  AQ_TRY_STATUS(CheckName(message.name(), "name"));
  AQ_TRY_STATUS(CheckText(message.class_name(), "class_name"));
  AQ_TRY_STATUS(CheckText(message.service_account(), "service_account"));
  AQ_TRY_STATUS(CheckCount(message.listeners_size(), kMaxListeners, "listeners"));
  AQ_TRY_STATUS(CheckCount(message.addresses_size(), kMaxAddresses, "addresses"));
  Gateway gateway;
  gateway.name = {message.namespace_(), message.name()};
  gateway.class_name = message.class_name();
  gateway.service_account = message.service_account();
  gateway.is_waypoint = message.is_waypoint();
  gateway.xfcc_include_client_identity = message.xfcc_include_client_identity();
  AQ_TRY(gateway.waypoint_for, DecodeWaypointFor(message.waypoint_for()));
  for (int i = 0; i < message.listeners_size(); ++i) {
    AQ_TRY(Listener listener, DecodeListener(message.listeners(i), At("listeners", i)));
    gateway.listeners.push_back(std::move(listener));
  }
  for (int i = 0; i < message.addresses_size(); ++i) {
    AQ_TRY_STATUS(CheckText(message.addresses(i), At("addresses", i)));
    gateway.addresses.push_back(LowerCase(message.addresses(i)));
  }
  AQ_TRY(gateway.mesh, DecodeMesh(message.mesh()));
  return gateway;
}

}  // namespace aquifer::waypoint
