#include "cli/convert/mesh_parent.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "kube/names.h"

namespace aquifer::cli {
namespace {

using Place = std::pair<std::string, std::string>;  // namespace and name

struct Wire {
  int port;
  const char* name;
  const char* protocol;
};

// How clients reach a host, as far as the kind of its route tells.
std::optional<Wire> WireOf(const std::string& route_kind) {
  if (route_kind == "HTTPRoute") return Wire{80, "http", "HTTP"};
  if (route_kind == "GRPCRoute") return Wire{80, "grpc", "GRPC"};
  if (route_kind == "TLSRoute") return Wire{443, "tls", "TLS"};
  return std::nullopt;
}

bool IsMesh(const OrderedJson& parent) {
  return parent.is_object() && TextOf(&parent, "kind") == "Mesh";
}

// NAME, NAME.NAMESPACE.svc and NAME.NAMESPACE.svc.cluster.local are Services; NAME.NAMESPACE only
// where there is one, for example.com has the same form.
std::optional<Place> ServiceOf(std::string_view host, const std::string& name_space,
                               const MeshNeighbours& neighbours) {
  static constexpr std::string_view kLong = ".svc.cluster.local";
  static constexpr std::string_view kShort = ".svc";
  bool certain = host.find('.') == std::string_view::npos;
  for (const std::string_view end : {kLong, kShort}) {
    if (certain || !host.ends_with(end)) continue;
    host.remove_suffix(end.size());
    certain = true;
  }
  const size_t dot = std::min(host.find('.'), host.size());
  const std::string name(host.substr(0, dot));
  const std::string space(dot == host.size() ? name_space : host.substr(dot + 1));
  if (!kube::IsDnsLabel(name) || !kube::IsDnsLabel(space)) return std::nullopt;
  const Place place{space, name};
  return certain || neighbours.services.contains(place) ? std::optional(place) : std::nullopt;
}

OrderedJson Reference(const char* group, const char* kind, const Place& place,
                      const std::string& route_space) {
  OrderedJson parent = {{"group", group}, {"kind", kind}, {"name", place.second}};
  if (place.first != route_space) parent["namespace"] = place.first;
  return parent;
}

// `host` is a name with dots, perhaps with "*." before it.
std::string EntryName(std::string host) {
  if (host.starts_with('*')) host = "any" + host.substr(1);
  std::replace(host.begin(), host.end(), '.', '-');
  return host;
}

OrderedJson EntryFor(const std::string& host, const Wire& wire, const OrderedJson& route) {
  OrderedJson entry = {{"apiVersion", "networking.istio.io/v1"}, {"kind", "ServiceEntry"}};
  OrderedJson metadata = OrderedJson::object();
  metadata["name"] = EntryName(host);
  const std::string space = TextOf(Find(&route, "metadata"), "namespace");
  if (!space.empty()) metadata["namespace"] = space;
  entry["metadata"] = std::move(metadata);
  OrderedJson port = {{"number", wire.port}, {"name", wire.name}, {"protocol", wire.protocol}};
  OrderedJson spec = OrderedJson::object();
  spec["hosts"] = OrderedJson::array({host});
  spec["ports"] = OrderedJson::array({std::move(port)});
  // A name with a star cannot be looked up.
  spec["resolution"] = host.starts_with('*') ? "NONE" : "DNS";
  entry["spec"] = std::move(spec);
  return entry;
}

class Parents {
 public:
  Parents(const OrderedJson& route, std::string name_space, const MeshNeighbours& neighbours)
      : route_(route),
        name_space_(std::move(name_space)),
        wire_(WireOf(TextOf(&route, "kind"))),
        neighbours_(neighbours) {}

  // The parent that stands for one host name.
  std::optional<Refusal> Add(std::string host, const std::string& field) {
    if (host.ends_with('.')) host.pop_back();
    const std::string_view name = std::string_view(host).substr(host.starts_with("*.") ? 2 : 0);
    if (!kube::IsDnsSubdomain(name)) return Refusal{field, "is no host name"};
    if (const auto service = ServiceOf(host, name_space_, neighbours_)) {
      if (service->first != name_space_) {
        remarks.push_back("it counts for clients of namespace " + name_space_ +
                          " alone, as Service " + service->second + " is of " + service->first);
      }
      Put(Reference("", "Service", *service, name_space_));
      return std::nullopt;
    }
    const auto known = neighbours_.entries.find(host);
    if (known != neighbours_.entries.end()) {
      Put(Reference("networking.istio.io", "ServiceEntry", known->second, name_space_));
      return std::nullopt;
    }
    if (!wire_) return Refusal{field, "names no Service, and the port of its clients is not known"};
    const Place place{name_space_, EntryName(host)};
    if (!Put(Reference("networking.istio.io", "ServiceEntry", place, name_space_))) {
      if (hosts_[place.second] == host) return std::nullopt;
      return Refusal{field,
                     "would be ServiceEntry " + place.second + ", as " + hosts_[place.second]};
    }
    hosts_[place.second] = host;
    entries.push_back(EntryFor(host, *wire_, route_));
    remarks.push_back(host + " is no Service, ServiceEntry " + place.second +
                      " is written for it with port " + std::to_string(wire_->port) +
                      ", which has to be the one that clients use");
    return std::nullopt;
  }

  OrderedJson list = OrderedJson::array();
  std::vector<OrderedJson> entries;
  std::vector<std::string> remarks;

 private:
  bool Put(OrderedJson parent) {
    if (std::find(list.begin(), list.end(), parent) != list.end()) return false;
    list.push_back(std::move(parent));
    return true;
  }

  const OrderedJson& route_;
  const std::string name_space_;
  const std::optional<Wire> wire_;
  const MeshNeighbours& neighbours_;
  std::map<std::string, std::string> hosts_;  // of the entries, by their names
};

}  // namespace

void MeshNeighbours::Add(const OrderedJson& object, const std::string& name_space) {
  const ManifestName name = NameOf(object, name_space);
  if (name.api_version == "v1" && name.kind == "Service")
    services.emplace(name.name_space, name.name);
  if (!name.api_version.starts_with("networking.istio.io/") || name.kind != "ServiceEntry") return;
  const OrderedJson* hosts = Find(Find(&object, "spec"), "hosts");
  if (hosts == nullptr || !hosts->is_array()) return;
  for (const OrderedJson& host : *hosts) {
    if (host.is_string())
      entries.emplace(host.get<std::string>(), Place{name.name_space, name.name});
  }
}

bool HasMeshParent(const OrderedJson& route) {
  const auto parents = ObjectsOf(Find(&route, "spec"), "parentRefs");
  return std::any_of(parents.begin(), parents.end(),
                     [](const OrderedJson* parent) { return IsMesh(*parent); });
}

Decoded<Rewritten> RewriteMeshParent(OrderedJson route, const std::string& name_space,
                                     const MeshNeighbours& neighbours) {
  const std::string own_space = NameOf(route, name_space).name_space;
  Parents parents(route, own_space, neighbours);
  const OrderedJson* hostnames = Find(Find(&route, "spec"), "hostnames");
  if (hostnames == nullptr || !hostnames->is_array() || hostnames->empty())
    return Refusal{"spec.hostnames", "is empty, so that the parent of kind Mesh names no Service"};
  if (hostnames->size() > 64) return Refusal{"spec.hostnames", "has more than 64 items"};
  for (size_t i = 0; i < hostnames->size(); ++i) {
    const OrderedJson& host = (*hostnames)[i];
    const std::string field = "spec.hostnames[" + std::to_string(i) + "]";
    if (!host.is_string()) return Refusal{field, "is no text"};
    if (auto refusal = parents.Add(host.get<std::string>(), field)) return *std::move(refusal);
  }
  OrderedJson others = OrderedJson::array();
  for (const OrderedJson& parent : *Find(Find(&route, "spec"), "parentRefs")) {
    if (!IsMesh(parent)) others.push_back(parent);
  }
  Rewritten result{std::move(parents.entries), std::move(parents.remarks)};
  OrderedJson meshed = route;
  meshed["spec"]["parentRefs"] = std::move(parents.list);
  // A parent that is a Service is the only host there is.
  meshed["spec"].erase("hostnames");
  if (!others.empty()) {
    const std::string name = TextOf(Find(&route, "metadata"), "name");
    meshed["metadata"]["name"] = name + "-mesh";
    result.remarks.push_back("what is of the mesh is a route of its own now, " + name + "-mesh");
    route["spec"]["parentRefs"] = std::move(others);
    result.objects.push_back(std::move(route));
  }
  result.objects.push_back(std::move(meshed));
  return result;
}

}  // namespace aquifer::cli
