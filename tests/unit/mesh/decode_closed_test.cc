#include <string>

#include "mesh/builder.h"
#include "mesh/classify.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

const std::string kAddress = "\x0a\x01\x01\x01";  // 10.1.1.1
const std::string kUid = "Kubernetes//Pod/default/a";

istio::workload::Address WorkloadMessage() {
  istio::workload::Address message;
  message.mutable_workload()->set_uid(kUid);
  message.mutable_workload()->set_name("a");
  message.mutable_workload()->set_namespace_("default");
  message.mutable_workload()->add_addresses(kAddress);
  return message;
}

istio::workload::Address ServiceMessage() {
  istio::workload::Address message;
  message.mutable_service()->set_namespace_("default");
  message.mutable_service()->set_hostname("web");
  message.mutable_service()->add_addresses()->set_address(kAddress);
  message.mutable_service()->add_ports()->set_service_port(80);
  message.mutable_service()->mutable_ports(0)->set_target_port(8080);
  return message;
}

// A mistake that has nothing to do with waypoints or policies.
void Spoil(istio::workload::Address& message) {
  if (message.has_workload()) {
    message.mutable_workload()->set_status(static_cast<istio::workload::WorkloadStatus>(9));
  } else {
    message.mutable_service()->add_ports()->set_service_port(70000);
  }
}

Result<Route> RouteToAddress(Builder& builder) {
  const Random random = [] { return std::uint64_t{0}; };
  return Classify(*builder.Build(), Pod("client", "10.0.0.1"), Address{Ip::V4(10, 1, 1, 1), 80},
                  ClassifyOptions{}, random);
}

TEST_CASE("a refused new workload or service with a waypoint is not reached around the waypoint") {
  for (auto message : {WorkloadMessage(), ServiceMessage()}) {
    Builder builder;
    Spoil(message);
    istio::workload::GatewayAddress& waypoint =
        message.has_workload() ? *message.mutable_workload()->mutable_waypoint()
                               : *message.mutable_service()->mutable_waypoint();
    waypoint.mutable_hostname()->set_hostname("gone");
    const std::string name = message.has_workload() ? kUid : "default/web";
    CHECK_FALSE(builder.PutAddress(name, message).ok());
    REQUIRE_FALSE(RouteToAddress(builder).ok());
    CHECK(RouteToAddress(builder).error().reason == Reason::kUnknownWaypoint);
    CHECK(builder.Build()->FindLocal({"default", "a", "default"}) == nullptr);
    builder.RemoveAddress(name);
    CHECK(RouteToAddress(builder).ok());
  }
}

TEST_CASE("a waypoint that cannot be read still is not gone around, in an update too") {
  for (auto message : {WorkloadMessage(), ServiceMessage()}) {
    Builder builder;
    const std::string name = message.has_workload() ? kUid : "default/web";
    REQUIRE(builder.PutAddress(name, message).ok());
    if (message.has_workload()) {
      message.mutable_workload()->mutable_waypoint();
    } else {
      message.mutable_service()->add_weighted_waypoints();
    }
    CHECK_FALSE(builder.PutAddress(name, message).ok());
    REQUIRE_FALSE(RouteToAddress(builder).ok());
    CHECK(RouteToAddress(builder).error().reason == Reason::kUnknownWaypoint);
  }
}

TEST_CASE("a refused workload outside the mesh leaves nothing behind") {
  Builder builder;
  const SnapshotRef before = builder.Build();
  istio::workload::Address message = WorkloadMessage();
  Spoil(message);
  CHECK_FALSE(builder.PutAddress(kUid, message).ok());
  CHECK(builder.Build() == before);
}

TEST_CASE("a refused service without an address that can be read leaves nothing behind") {
  Builder builder;
  const SnapshotRef before = builder.Build();
  istio::workload::Address message = ServiceMessage();
  message.mutable_service()->mutable_addresses(0)->set_address("123");
  CHECK_FALSE(builder.PutAddress("default/web", message).ok());
  CHECK(builder.Build() == before);
}

TEST_CASE("a refused new workload of the mesh or service is not gone to in the clear") {
  for (auto message : {WorkloadMessage(), ServiceMessage()}) {
    Builder builder;
    if (message.has_workload())
      message.mutable_workload()->set_tunnel_protocol(istio::workload::HBONE);
    const istio::workload::Address good = message;
    const std::string name = message.has_workload() ? kUid : "default/web";
    Spoil(message);
    const auto refused = builder.PutAddress(name, message);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().why.find("connections to it are refused") != std::string::npos);
    REQUIRE_FALSE(RouteToAddress(builder).ok());
    CHECK(RouteToAddress(builder).error().reason == Reason::kUnknownWaypoint);
    CHECK(builder.Build()->FindLocal({"default", "a", "default"}) == nullptr);
    REQUIRE(builder.PutAddress(name, good).ok());
    if (message.has_workload()) CHECK(RouteToAddress(builder)->protocol == Protocol::kHbone);
    if (message.has_service())
      CHECK(RouteToAddress(builder).error().reason == Reason::kNoHealthyUpstream);
  }
}

TEST_CASE("a refused update without a waypoint leaves what is in force") {
  for (auto message : {WorkloadMessage(), ServiceMessage()}) {
    Builder builder;
    if (message.has_workload())
      message.mutable_workload()->set_tunnel_protocol(istio::workload::HBONE);
    const std::string name = message.has_workload() ? kUid : "default/web";
    REQUIRE(builder.PutAddress(name, message).ok());
    const SnapshotRef before = builder.Build();
    Spoil(message);
    const auto refused = builder.PutAddress(name, message);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().why.find("connections to it") == std::string::npos);
    CHECK(builder.Build() == before);
  }
}

TEST_CASE("policies attached by a refused update of a workload apply") {
  Builder builder;
  istio::workload::Address message = WorkloadMessage();
  REQUIRE(builder.PutAddress(kUid, message).ok());
  Spoil(message);
  message.mutable_workload()->add_authorization_policies("default/new");
  CHECK_FALSE(builder.PutAddress(kUid, message).ok());
  const SnapshotRef snapshot = builder.Build();
  const WorkloadRef workload = snapshot->FindWorkload(kUid);
  CHECK(snapshot->PoliciesFor(*workload).missing == std::vector<std::string>{"default/new"});
}

TEST_CASE("an attachment that cannot be read denies") {
  Builder builder;
  istio::workload::Address message = WorkloadMessage();
  REQUIRE(builder.PutAddress(kUid, message).ok());
  message.mutable_workload()->add_authorization_policies("default/p\n");
  CHECK_FALSE(builder.PutAddress(kUid, message).ok());
  const SnapshotRef snapshot = builder.Build();
  CHECK(snapshot->PoliciesFor(*snapshot->FindWorkload(kUid)).missing.size() == 1);
}

}  // namespace
}  // namespace aquifer::mesh
