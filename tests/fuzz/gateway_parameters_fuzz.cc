// A ConfigMap of parameters of anybody's making: whatever it asks for, nothing crashes, and the
// objects that come out are their Gateway's as much as without it.
#include <string>
#include <string_view>
#include <vector>

#include "control/deploy/drift.h"
#include "control/deploy/plan.h"
#include "core/base/check.h"

namespace aquifer::control {
namespace {

constexpr const char* kKeys[] = {"deployment", "service", "serviceAccount",
                                 "horizontalPodAutoscaler", "podDisruptionBudget"};

Gateway AGateway() {
  Gateway gateway;
  gateway.meta.namespace_name = "edge";
  gateway.meta.name = "gw";
  gateway.meta.uid = "u";
  gateway.class_name = "aquifer";
  Listener listener;
  listener.name = "http";
  listener.port = 80;
  listener.protocol = "HTTP";
  gateway.listeners.push_back(listener);
  return gateway;
}

void Try(const Overlays& overlays) {
  const Gateway gateway = AGateway();
  const DeploymentNames names{"gw-aquifer", "gw-aquifer", true};
  const DeploySettings settings;
  const MeshSettings mesh;
  const DeploymentParts parts{gateway, GatewayRole::kIngress, names, settings, mesh};
  // Twice, as of a class and of its Gateway.
  const std::vector<const Overlays*> order = {&overlays, &overlays};
  const auto plan = PlanGateway(parts, order);
  if (!plan.ok()) {
    AQ_CHECK(!plan.error().message.empty());
    return;
  }
  for (const WantedObject& object : *plan) {
    const Json& metadata = object.body.at("metadata");
    AQ_CHECK(metadata.at("name") == "gw-aquifer");
    AQ_CHECK(metadata.at("namespace") == "edge");
    AQ_CHECK(metadata.at("ownerReferences").size() == 1);
    AQ_CHECK(HasMarks(object.body, object.marks));
    AQ_CHECK(object.body.at("kind") == RowOf(object.key.kind).word);
    std::ignore = ProjectOnto(object.body, object.body);
  }
}

}  // namespace
}  // namespace aquifer::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aquifer::control;
  if (size == 0) return 0;
  // The text of a JSON string is UTF-8 by then; here it need not be.
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Json config_map;
  config_map["data"][kKeys[data[0] % std::size(kKeys)]] = text;
  const auto overlays = ReadOverlays(config_map);
  if (overlays.ok()) Try(*overlays);
  return 0;
}
