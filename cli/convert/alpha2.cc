#include "cli/convert/alpha2.h"

#include <utility>

#include "cli/convert/alpha1_rule.h"

namespace aquifer::cli {
namespace {

void MendRoute(OrderedJson& spec) {
  if (Rename(spec, "parentRef", "parentRefs")) {
    OrderedJson& parents = *Find(&spec, "parentRefs");
    if (parents.is_object()) parents = OrderedJson::array({parents});
  }
  for (OrderedJson* parent : ObjectsOf(&spec, "parentRefs")) {
    MendGroup(*parent);
    Take(*parent, "scope");
  }
  for (OrderedJson* rule : ObjectsOf(&spec, "rules")) {
    for (OrderedJson* match : ObjectsOf(rule, "matches")) {
      OrderedJson* path = Find(match, "path");
      if (TextOf(path, "type") == "Prefix") (*path)["type"] = "PathPrefix";
    }
    for (OrderedJson* backend : ObjectsOf(rule, "backendRefs")) MendGroup(*backend);
  }
}

void MendGateway(OrderedJson& spec) {
  for (OrderedJson* listener : ObjectsOf(&spec, "listeners")) {
    OrderedJson* tls = Find(listener, "tls");
    if (tls == nullptr || !tls->is_object()) continue;
    if (Rename(*tls, "certificateRef", "certificateRefs")) {
      OrderedJson& refs = *Find(tls, "certificateRefs");
      if (refs.is_object()) refs = OrderedJson::array({refs});
    }
    for (OrderedJson* reference : ObjectsOf(tls, "certificateRefs")) MendGroup(*reference);
  }
}

void MendBackendTlsPolicy(OrderedJson& spec) {
  if (Rename(spec, "targetRef", "targetRefs")) {
    OrderedJson& targets = *Find(&spec, "targetRefs");
    // It could name a namespace once; it was its own.
    if (targets.is_object()) {
      Take(targets, "namespace");
      targets = OrderedJson::array({targets});
    }
  }
  Rename(spec, "tls", "validation");
  OrderedJson* validation = Find(&spec, "validation");
  if (validation == nullptr || !validation->is_object()) return;
  Rename(*validation, "caCertRefs", "caCertificateRefs");
  Rename(*validation, "wellKnownCACerts", "wellKnownCACertificates");
}

}  // namespace

Decoded<Rewritten> RewriteAlpha2(OrderedJson object) {
  const std::string kind = TextOf(&object, "kind");
  const bool gateway_api = TextOf(&object, "apiVersion").starts_with(kGatewayGroup);
  OrderedJson* spec = Find(&object, "spec");
  Rewritten result;
  if (gateway_api && spec != nullptr && spec->is_object()) {
    if (kind.ends_with("Route")) MendRoute(*spec);
    if (kind == "Gateway") MendGateway(*spec);
    if (kind == "BackendTLSPolicy") MendBackendTlsPolicy(*spec);
  }
  if (gateway_api && kind == "ReferencePolicy") {
    object["kind"] = "ReferenceGrant";
    result.remarks.emplace_back("its kind is ReferenceGrant now");
  }
  result.objects.push_back(std::move(object));
  return result;
}

}  // namespace aquifer::cli
