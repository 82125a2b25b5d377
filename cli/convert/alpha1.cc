#include "cli/convert/alpha1.h"

#include <utility>

#include "cli/convert/alpha1_rule.h"
#include "cli/convert/attach.h"

namespace aquifer::cli {
namespace {

constexpr size_t kMaxTlsRules = 64;  // each becomes a copy of its route

// "*" stood for any host, which is said by nothing now.
void MendHostnames(OrderedJson& spec) {
  OrderedJson* hostnames = Find(&spec, "hostnames");
  if (hostnames == nullptr || !hostnames->is_array()) return;
  for (const OrderedJson& hostname : *hostnames) {
    if (hostname != "*") continue;
    spec.erase("hostnames");
    return;
  }
}

void MendTls(OrderedJson& listener, std::vector<std::string>& remarks) {
  OrderedJson* tls = Find(&listener, "tls");
  if (tls == nullptr || !tls->is_object()) return;
  if (Rename(*tls, "certificateRef", "certificateRefs")) {
    OrderedJson& refs = *Find(tls, "certificateRefs");
    MendGroup(refs);
    refs = OrderedJson::array({refs});
  }
  const auto over = Take(*tls, "routeOverride");
  if (over && TextOf(&*over, "certificate") == "Allow")
    remarks.emplace_back("routes can no longer bring certificates, tls.routeOverride is left out");
}

// routes of a listener, as far as it says which routes it allows; which of them it chose is the
// routes' own now.
void MendRoutes(OrderedJson& listener) {
  if (!Rename(listener, "routes", "allowedRoutes")) return;
  OrderedJson& routes = *Find(&listener, "allowedRoutes");
  OrderedJson allowed = OrderedJson::object();
  if (auto namespaces = Take(routes, "namespaces")) allowed["namespaces"] = *std::move(namespaces);
  const std::string kind = TextOf(&routes, "kind");
  const std::string group = TextOf(&routes, "group");
  if (!kind.empty()) {
    OrderedJson allowed_kind = OrderedJson::object();
    if (!group.empty() && group != kAlpha1Group) allowed_kind["group"] = group;
    allowed_kind["kind"] = kind;
    allowed["kinds"] = OrderedJson::array({allowed_kind});
  }
  if (allowed.empty()) {
    listener.erase("allowedRoutes");
  } else {
    routes = std::move(allowed);
  }
}

// The server names of a rule of a TLSRoute; none for any.
Decoded<std::vector<std::string>> ServerNames(const OrderedJson& rule, const std::string& path) {
  std::vector<std::string> names;
  const auto matches = ObjectsOf(&rule, "matches");
  for (size_t i = 0; i < matches.size(); ++i) {
    if (Find(matches[i], "extensionRef") != nullptr)
      return Refusal{path + ".matches[" + std::to_string(i) + "].extensionRef", "has no successor"};
    const OrderedJson* snis = Find(matches[i], "snis");
    // One that names none takes every connection.
    if (snis == nullptr || !snis->is_array() || snis->empty()) return std::vector<std::string>();
    for (const OrderedJson& sni : *snis) {
      if (!sni.is_string()) return Refusal{path + ".matches.snis", "is no list of texts"};
      names.push_back(sni.get<std::string>());
    }
  }
  return names;
}

// Hosts are those of a TLSRoute as a whole now, so that rules for different ones become routes of
// their own.
Decoded<Rewritten> SplitTlsRoute(OrderedJson object) {
  Rewritten result;
  std::vector<std::pair<std::vector<std::string>, OrderedJson>> parts;
  OrderedJson& spec = *Find(&object, "spec");
  const auto rules = ObjectsOf(&spec, "rules");
  if (rules.size() > kMaxTlsRules)
    return Refusal{"spec.rules", "has more than " + std::to_string(kMaxTlsRules) + " items"};
  for (size_t i = 0; i < rules.size(); ++i) {
    AQ_TRY(std::vector<std::string> names,
           ServerNames(*rules[i], "spec.rules[" + std::to_string(i) + "]"));
    rules[i]->erase("matches");
    parts.emplace_back(std::move(names), *rules[i]);
  }
  const std::string name = TextOf(Find(&object, "metadata"), "name");
  for (size_t i = 0; i < parts.size(); ++i) {
    OrderedJson route = object;
    OrderedJson& part = *Find(&route, "spec");
    OrderedJson rule = OrderedJson::array({std::move(parts[i].second)});
    part.erase("rules");
    if (!parts[i].first.empty()) part["hostnames"] = parts[i].first;
    part["rules"] = std::move(rule);
    if (i > 0) route["metadata"]["name"] = name + "-" + std::to_string(i + 1);
    result.objects.push_back(std::move(route));
  }
  // An empty list, or none, is for the API server to judge.
  if (parts.empty()) result.objects.push_back(std::move(object));
  if (parts.size() > 1)
    result.remarks.push_back("each of its rules is a route of its own now, the others named " +
                             name + "-2 and on");
  return result;
}

}  // namespace

Decoded<Rewritten> RewriteGatewayClass(OrderedJson object) {
  if (OrderedJson* spec = Find(&object, "spec"); spec != nullptr && spec->is_object()) {
    Rename(*spec, "controller", "controllerName");
    if (OrderedJson* parameters = Find(spec, "parametersRef")) {
      MendGroup(*parameters);
      Take(*parameters, "scope");
    }
  }
  return Rewritten{{std::move(object)}, {}};
}

Decoded<Rewritten> RewriteGateway(OrderedJson object) {
  Rewritten result;
  const std::vector<std::string> names = ListenerNames(object);
  const auto listeners = ObjectsOf(Find(&object, "spec"), "listeners");
  for (size_t i = 0; i < listeners.size(); ++i) {
    OrderedJson& listener = *listeners[i];
    if (TextOf(&listener, "hostname") == "*") listener.erase("hostname");
    MendTls(listener, result.remarks);
    MendRoutes(listener);
    if (Find(&listener, "name") == nullptr) PutFirst(listener, "name", names[i]);
  }
  result.objects.push_back(std::move(object));
  return result;
}

Decoded<Rewritten> RewriteRoute(OrderedJson object, OrderedJson parents) {
  const std::string kind = TextOf(&object, "kind");
  std::vector<std::string> remarks;
  OrderedJson* spec = Find(&object, "spec");
  if (spec == nullptr || !spec->is_object()) return Refusal{"spec", "is no mapping"};
  Take(*spec, "gateways");
  if (Take(*spec, "tls"))
    remarks.emplace_back("the certificate is for the Gateway to bring now, spec.tls is left out");
  MendHostnames(*spec);
  const auto rules = ObjectsOf(spec, "rules");
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string path = "spec.rules[" + std::to_string(i) + "]";
    auto mended = MendRule(*rules[i], kind, path, remarks);
    if (!mended.ok()) return std::move(mended).error();
  }
  if (!parents.empty()) PutFirst(*spec, "parentRefs", std::move(parents));
  Rewritten result;
  if (kind == "TLSRoute") {
    AQ_TRY(result, SplitTlsRoute(std::move(object)));
  } else {
    result.objects.push_back(std::move(object));
  }
  result.remarks.insert(result.remarks.end(), remarks.begin(), remarks.end());
  return result;
}

}  // namespace aquifer::cli
