// TCPRoute, TLSRoute and UDPRoute.
#include <utility>

#include "control/decode/decode.h"
#include "control/decode/route_parts.h"

namespace aquifer::control {
namespace {

void ReadRule(Fields& fields, L4Route& route, bool first) {
  fields.Text("name", "", kMaxNameText);
  fields.ForEach("backendRefs", 16, [&](Fields& item) {
    L4BackendRef backend;
    backend.object = ReadBackendObject(item);
    backend.weight = static_cast<std::uint32_t>(item.Number("weight", 1, 0, 1'000'000));
    item.RefuseOthers();
    if (first) route.backends.push_back(std::move(backend));
  });
  fields.RefuseOthers();
}

template <class Route>
Route ReadRoute(Fields& spec, Meta meta) {
  Route route;
  route.meta = std::move(meta);
  route.parents = ReadParents(spec);
  size_t rules = 0;
  spec.ForEach("rules", 16, [&](Fields& item) { ReadRule(item, route, rules++ == 0); });
  if (rules == 0) spec.Refuse("rules", "is required");
  route.has_more_rules = rules > 1;
  return route;
}

}  // namespace

Object DecodeTcpRoute(Fields& object, Meta meta) {
  Fields spec = object.Object("spec");
  auto route = ReadRoute<TcpRoute>(spec, std::move(meta));
  spec.RefuseOthers();
  return route;
}

Object DecodeTlsRoute(Fields& object, Meta meta) {
  Fields spec = object.Object("spec");
  auto route = ReadRoute<TlsRoute>(spec, std::move(meta));
  route.hostnames = ReadHostnames(spec);
  spec.RefuseOthers();
  return route;
}

Object DecodeUdpRoute(Fields& object, Meta meta) {
  Fields spec = object.Object("spec");
  auto route = ReadRoute<UdpRoute>(spec, std::move(meta));
  spec.RefuseOthers();
  return route;
}

}  // namespace aquifer::control
