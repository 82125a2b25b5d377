// EndpointSlice (discovery.k8s.io/v1).
#include "control/endpoint_slice.h"

#include "control/decode/decode.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

// Bounds of the API itself.
constexpr size_t kMaxEndpoints = 1000;
constexpr size_t kMaxAddresses = 100;
constexpr size_t kMaxPorts = 20000;

EndpointSlice::Endpoint ReadEndpoint(Fields& fields) {
  EndpointSlice::Endpoint endpoint;
  for (const std::string& text : fields.Texts("addresses", kMaxAddresses, 64)) {
    const auto ip = Ip::Parse(text);
    if (!ip) {
      fields.Refuse("addresses", "has one that is not an IP address");
      break;
    }
    endpoint.ips.push_back(*ip);
  }
  Fields conditions = fields.Object("conditions");
  endpoint.ready = conditions.Flag("ready", true);
  Fields target = fields.Object("targetRef");
  if (target.Text("kind", "", 63) == "Pod") endpoint.pod = target.Text("name", "", kMaxNameText);
  endpoint.node_name = fields.Text("nodeName", "", kMaxNameText);
  return endpoint;
}

EndpointSlice::Port ReadPort(Fields& fields) {
  EndpointSlice::Port port;
  port.name = fields.Text("name", "", 63);
  // A port without a number stands for all, which only consumers of a special kind understand.
  port.port = static_cast<std::uint16_t>(fields.Number("port", 0, 0, 65535));
  port.tcp = fields.Word("protocol", "TCP", {"TCP", "UDP", "SCTP"}) == "TCP";
  return port;
}

}  // namespace

Object DecodeEndpointSlice(Fields& object, Meta meta) {
  EndpointSlice slice;
  slice.service = std::string(LabelOf(meta.labels, "kubernetes.io/service-name"));
  slice.meta = std::move(meta);
  const std::string type = object.Word("addressType", "IPv4", {"IPv4", "IPv6", "FQDN"});
  object.ForEach("ports", kMaxPorts, [&](Fields& item) { slice.ports.push_back(ReadPort(item)); });
  if (type == "FQDN") return slice;
  object.ForEach("endpoints", kMaxEndpoints,
                 [&](Fields& item) { slice.endpoints.push_back(ReadEndpoint(item)); });
  return slice;
}

}  // namespace aquifer::control
