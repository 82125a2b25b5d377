#include "proxy/control_plane_client.h"

#include "tests/support/catch.h"

namespace aquifer::proxy {
namespace {

CommonSettings Example() {
  CommonSettings settings;
  settings.instance_ip = "10.0.0.9";
  settings.pod_name = "proxy-1";
  settings.pod_namespace = "mesh";
  settings.node_name = "node-a";
  return settings;
}

Metadata MetadataOf(const envoy::config::core::v3::Node& node) {
  Metadata metadata;
  for (const auto& [name, value] : node.metadata().fields()) metadata[name] = value.string_value();
  return metadata;
}

}  // namespace

TEST_CASE("the node's id has the four parts that istiod takes apart") {
  CommonSettings settings = Example();
  CHECK(NodeOf(settings, "ztunnel", {}).id() ==
        "ztunnel~10.0.0.9~proxy-1.mesh~mesh.svc.cluster.local");
  settings.cluster_domain = "example.local";
  CHECK(NodeOf(settings, "waypoint", {}).id() ==
        "waypoint~10.0.0.9~proxy-1.mesh~mesh.svc.example.local");
}

TEST_CASE("the node's metadata is who we are and what our kind adds") {
  const Metadata metadata =
      MetadataOf(NodeOf(Example(), "waypoint", {{"GATEWAY_NAME", "way"}, {"NAME", "forged"}}));
  CHECK(metadata == Metadata{{"GATEWAY_NAME", "way"},
                             {"INSTANCE_IPS", "10.0.0.9"},
                             {"NAME", "proxy-1"},
                             {"NAMESPACE", "mesh"},
                             {"NODE_NAME", "node-a"}});
}

TEST_CASE("a node without a name does not say one") {
  CommonSettings settings = Example();
  settings.node_name.clear();
  CHECK_FALSE(MetadataOf(NodeOf(settings, "ztunnel", {})).contains("NODE_NAME"));
}

}  // namespace aquifer::proxy
