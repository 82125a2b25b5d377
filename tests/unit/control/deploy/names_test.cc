#include "control/deploy/names.h"

#include <set>

#include "tests/support/catch.h"
#include "tests/unit/control/support.h"

namespace aquifer::control {
namespace {

Gateway Named(const std::string& name, const std::string& class_name,
              const std::string& annotations = "") {
  return ObjectOf<Gateway>(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: '" + name +
      "', annotations: {" + annotations + "}}, spec: {gatewayClassName: " + class_name +
      ", listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}\n");
}

struct Cluster {
  std::set<std::pair<DeployedKind, std::string>> taken;
  std::set<std::string> ours;

  std::string NameOf(const Gateway& gateway) const {
    NameWitness witness;
    witness.taken = [this](DeployedKind kind, const std::string& name) {
      return taken.contains({kind, name});
    };
    witness.ours = [this](const std::string& name) { return ours.contains(name); };
    const bool waypoint = gateway.class_name.ends_with("-waypoint");
    const auto names =
        NamesOf(gateway, waypoint ? GatewayRole::kWaypoint : GatewayRole::kIngress, witness);
    return names.ok() ? names->name : names.error().reason;
  }
};

bool Manual(const std::string& addresses) {
  return IsManual(ObjectOf<Gateway>(
      "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: gw}, spec: "
      "{gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}], addresses: [" +
      addresses + "]}}\n"));
}

constexpr const char* kOld = "istio.io/for-service-account: httpbin";

}  // namespace

TEST_CASE("an ingress gateway is called after its class, a waypoint is not") {
  const Cluster cluster;
  CHECK(cluster.NameOf(Named("gateway", "istio")) == "gateway-istio");
  CHECK(cluster.NameOf(Named("gateway", "aquifer")) == "gateway-aquifer");
  CHECK(cluster.NameOf(Named("waypoint", "istio-waypoint")) == "waypoint");
}

TEST_CASE("a waypoint of an account has the long name") {
  const Cluster cluster;
  CHECK(cluster.NameOf(Named("httpbin", "istio-waypoint", kOld)) == "httpbin-istio-waypoint");
  CHECK(cluster.NameOf(Named("httpbin", "aquifer-waypoint", kOld)) == "httpbin-aquifer-waypoint");
}

TEST_CASE("a waypoint called as its application gets the long name") {
  for (const DeployedKind kind :
       {DeployedKind::kService, DeployedKind::kDeployment, DeployedKind::kServiceAccount}) {
    const Cluster cluster{.taken = {{kind, "httpbin"}}};
    CHECK(cluster.NameOf(Named("httpbin", "istio-waypoint")) == "httpbin-istio-waypoint");
  }
}

TEST_CASE("a deployed waypoint keeps its name") {
  const Cluster cluster{.ours = {"httpbin-istio-waypoint"}};
  CHECK(cluster.NameOf(Named("httpbin", "istio-waypoint")) == "httpbin-istio-waypoint");
}

TEST_CASE("where both names are somebody else's nothing is deployed") {
  const Cluster cluster{.taken = {{DeployedKind::kService, "a"},
                                  {DeployedKind::kDeployment, "a-istio-waypoint"},
                                  {DeployedKind::kService, "b-istio"}}};
  CHECK(cluster.NameOf(Named("a", "istio-waypoint")) == "NameTaken");
  CHECK(cluster.NameOf(Named("b", "istio")) == "NameTaken");
}

TEST_CASE("annotations name the objects and the account") {
  const Cluster cluster{.taken = {{DeployedKind::kServiceAccount, "mine"}}};
  CHECK(cluster.NameOf(Named("gw", "istio", "gateway.istio.io/name-override: other")) == "other");
  CHECK(cluster.NameOf(Named("gw", "istio", "gateway.istio.io/name-override: No.Name")) ==
        "InvalidParameters");
  CHECK(cluster.NameOf(Named("gw", "istio", "gateway.istio.io/service-account: a/b")) ==
        "InvalidParameters");
  // Somebody else's account is what is asked for here.
  CHECK(cluster.NameOf(Named("mine", "istio-waypoint", "gateway.istio.io/service-account: x")) ==
        "mine");
}

TEST_CASE("names that no Service may have are made to fit and stay apart") {
  const Cluster cluster;
  const std::string dotted = cluster.NameOf(Named("a.b", "istio"));
  CHECK(dotted.starts_with("a-b-istio-"));
  CHECK(dotted.size() == 10 + 8);
  CHECK(cluster.NameOf(Named("a-b", "istio")) == "a-b-istio");
  CHECK(cluster.NameOf(Named("1st", "istio")).starts_with("gw-1st-istio-"));
  const std::string longest(60, 'x');
  CHECK(cluster.NameOf(Named(longest, "istio")).size() == 63);
  CHECK(cluster.NameOf(Named(longest, "istio")) != cluster.NameOf(Named(longest, "aquifer")));
  CHECK(cluster.NameOf(Named(std::string(64, 'x'), "istio")) == "UnsupportedName");
}

TEST_CASE("a host name or several addresses mean a deployment by hand") {
  CHECK_FALSE(Manual(""));
  CHECK_FALSE(Manual("{value: 192.0.2.1}"));
  CHECK_FALSE(Manual("{type: IPAddress, value: ''}"));
  CHECK(Manual("{type: Hostname, value: ingress.edge.svc.cluster.local}"));
  CHECK(Manual("{value: 192.0.2.1}, {value: 192.0.2.2}"));
}

}  // namespace aquifer::control
