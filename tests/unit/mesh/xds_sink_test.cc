#include "mesh/xds_sink.h"

#include <string>
#include <vector>

#include "mesh/xds_state.h"
#include "tests/support/catch.h"

namespace aquifer::mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// A control plane's side of the conversation, a builder and what it published.
struct Conversation {
  Conversation() : state({std::string(kAddressType), std::string(kAuthorizationType)}, {}) {}

  Decoded<XdsState::Outcome> Say(const DeltaDiscoveryResponse& response) {
    return state.OnResponse(response, sink);
  }

  Builder builder;
  std::vector<SnapshotRef> published;
  MeshSink sink{builder,
                [this](SnapshotRef snapshot) { published.push_back(std::move(snapshot)); }};
  XdsState state;
};

template <class Message>
void Add(DeltaDiscoveryResponse& response, const std::string& name, const Message& message,
         const std::string& version = "1") {
  auto& resource = *response.add_resources();
  resource.set_name(name);
  resource.set_version(version);
  resource.mutable_resource()->set_type_url(response.type_url());
  resource.mutable_resource()->set_value(message.SerializeAsString());
}

DeltaDiscoveryResponse Response(std::string_view type, std::string nonce = "n1") {
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(type));
  response.set_nonce(std::move(nonce));
  return response;
}

istio::workload::Address Pod(const std::string& uid, const std::string& address) {
  istio::workload::Address message;
  message.mutable_workload()->set_uid(uid);
  message.mutable_workload()->set_namespace_("default");
  message.mutable_workload()->add_addresses(address);
  return message;
}

istio::workload::Address ServiceNamed(const std::string& hostname) {
  istio::workload::Address message;
  message.mutable_service()->set_namespace_("default");
  message.mutable_service()->set_hostname(hostname);
  return message;
}

istio::security::Authorization Policy(const std::string& name) {
  istio::security::Authorization message;
  message.set_name(name);
  message.set_namespace_("default");
  return message;
}

TEST_CASE("of an address that is described twice the last description holds") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  auto& resource = *response.add_resources();
  resource.set_name("default/web");
  resource.mutable_resource()->set_type_url(std::string(kAddressType));
  resource.mutable_resource()->set_value(Pod("pod-a", "\x0a\x01\x01\x01").SerializeAsString() +
                                         ServiceNamed("web").SerializeAsString());
  const Decoded<XdsState::Outcome> outcome = talk.Say(response);
  REQUIRE(outcome.ok());
  CHECK(outcome->refused.empty());
  REQUIRE(talk.published.size() == 1);
  CHECK(talk.published.back()->FindService({"default", "web"}) != nullptr);
  CHECK(talk.published.back()->workload_count() == 0);
}

TEST_CASE("nothing of one resource is left in the next") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  istio::workload::Address full = Pod("pod-a", "\x0a\x01\x01\x01");
  full.mutable_workload()->set_node("node-1");
  full.mutable_workload()->add_authorization_policies("default/deny");
  (*full.mutable_workload()->mutable_services())["default/web"].add_ports()->set_service_port(80);
  Add(response, "pod-a", full);
  Add(response, "pod-b", Pod("pod-b", "\x0a\x01\x01\x02"));
  REQUIRE(talk.Say(response).ok());
  REQUIRE(talk.published.size() == 1);
  const WorkloadRef next = talk.published.back()->FindWorkload("pod-b");
  REQUIRE(next != nullptr);
  CHECK(next->node.empty());
  CHECK(next->authorization_policies.empty());
  CHECK(next->services.empty());
}

TEST_CASE("good resources of a partly bad response are applied, the bad are named in the NACK") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  Add(response, "pod-b", Pod("pod-b", "bad address"));
  Add(response, "default/web", ServiceNamed("web"));
  Add(response, "pod-c", Pod("another-uid", "\x0a\x01\x01\x01"));
  Add(response, "neither", istio::workload::Address());
  const auto outcome = talk.Say(response);
  REQUIRE(outcome.ok());
  CHECK(outcome->refused.size() == 3);
  CHECK(outcome->answer.response_nonce() == "n1");
  CHECK(outcome->answer.type_url() == kAddressType);
  const std::string& why = outcome->answer.error_detail().message();
  CHECK(why.find("pod-b: workload.addresses[0]: ") != std::string::npos);
  CHECK(why.find("pod-c: workload.uid: ") != std::string::npos);
  CHECK(why.find("neither: type: ") != std::string::npos);
  REQUIRE(talk.published.size() == 1);
  const Snapshot& snapshot = *talk.published.back();
  CHECK(snapshot.workload_count() == 1);
  CHECK(snapshot.FindWorkload("pod-a") != nullptr);
  CHECK(snapshot.FindService({"default", "web"}) != nullptr);
}

TEST_CASE("a response that changes nothing publishes nothing") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  REQUIRE(talk.Say(response).ok());
  REQUIRE(talk.Say(response).ok());
  CHECK(talk.published.size() == 1);
}

TEST_CASE("the first response is published even when there is nothing in it") {
  Conversation talk;
  REQUIRE(talk.Say(Response(kAddressType)).ok());
  CHECK(talk.published.size() == 1);
}

TEST_CASE("a name that is removed in the response that brings it is gone") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  response.add_removed_resources("pod-a");
  REQUIRE(talk.Say(response).ok());
  CHECK(talk.published.back()->workload_count() == 0);
  CHECK(talk.state.held(kAddressType) == 0);
}

TEST_CASE("workloads and services are removed by their names") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "Kubernetes//Pod/default/a", Pod("Kubernetes//Pod/default/a", "\x0a\x01\x01\x01"));
  Add(response, "default/web", ServiceNamed("web"));
  REQUIRE(talk.Say(response).ok());
  DeltaDiscoveryResponse removal = Response(kAddressType, "n2");
  removal.add_removed_resources("Kubernetes//Pod/default/a");
  removal.add_removed_resources("default/web");
  removal.add_removed_resources("default/unheard-of");
  REQUIRE(talk.Say(removal).ok());
  CHECK(talk.published.back()->workload_count() == 0);
  CHECK(talk.published.back()->service_count() == 0);
}

TEST_CASE("a refused update leaves the version before it in force") {
  Conversation talk;
  DeltaDiscoveryResponse good = Response(kAddressType);
  Add(good, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  REQUIRE(talk.Say(good).ok());
  DeltaDiscoveryResponse bad = Response(kAddressType, "n2");
  Add(bad, "pod-a", Pod("pod-a", "?"));
  CHECK(talk.Say(bad)->refused.size() == 1);
  CHECK(talk.published.back()->FindWorkload("pod-a") != nullptr);
}

TEST_CASE("a policy that cannot be read denies, and its removal after a reconnect is asked for") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAuthorizationType);
  istio::security::Authorization bad = Policy("p");
  bad.set_scope(istio::security::NAMESPACE);
  bad.add_rules()->add_clauses()->add_matches()->add_principals();
  Add(response, "default/p", bad);
  auto& garbage = *response.add_resources();
  garbage.set_name("default/q");
  garbage.mutable_resource()->set_type_url(std::string(kAuthorizationType));
  garbage.mutable_resource()->set_value("\xff\xff\xff");
  const auto outcome = talk.Say(response);
  REQUIRE(outcome.ok());
  CHECK(outcome->refused.size() == 2);
  CHECK(talk.published.back()->FindPolicy("default/p")->malformed);
  CHECK(talk.published.back()->FindPolicy("default/q")->malformed);

  // Held without a version: the control plane sends it anew, or says that it is gone.
  for (const auto& request : talk.state.OnConnected()) {
    if (request.type_url() != kAuthorizationType) continue;
    REQUIRE(request.initial_resource_versions().count("default/p") == 1);
    CHECK(request.initial_resource_versions().at("default/p").empty());
  }
  DeltaDiscoveryResponse removal = Response(kAuthorizationType, "n2");
  removal.add_removed_resources("default/p");
  removal.add_removed_resources("default/q");
  REQUIRE(talk.Say(removal).ok());
  CHECK(talk.published.back()->policy_count() == 0);
}

TEST_CASE("a new stream says what is held, with versions, and who asks only once") {
  envoy::config::core::v3::Node node;
  node.set_id("node");
  XdsState state({std::string(kAddressType), std::string(kAuthorizationType)}, node);
  Builder builder;
  MeshSink sink(builder, [](SnapshotRef) {});
  const auto first = state.OnConnected();
  REQUIRE(first.size() == 2);
  CHECK(first[0].node().id() == "node");
  CHECK_FALSE(first[1].has_node());
  CHECK(first[0].initial_resource_versions().empty());
  CHECK(first[0].resource_names_subscribe().empty());

  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"), "v7");
  REQUIRE(state.OnResponse(response, sink).ok());
  const auto second = state.OnConnected();
  CHECK(second[0].initial_resource_versions().at("pod-a") == "v7");
}

TEST_CASE("serving may start when every type has had its first response") {
  Conversation talk;
  CHECK_FALSE(talk.state.synced());
  REQUIRE(talk.Say(Response(kAddressType)).ok());
  CHECK(talk.state.Pending() == std::vector<std::string>{std::string(kAuthorizationType)});
  REQUIRE(talk.Say(Response(kAuthorizationType)).ok());
  CHECK(talk.state.synced());
}

TEST_CASE("a response of a type that nobody asked for ends the stream") {
  Conversation talk;
  CHECK_FALSE(talk.Say(Response("type.googleapis.com/what.Ever")).ok());
  CHECK(talk.published.empty());
}

TEST_CASE("a resource of another type than its response, or without a name, is refused") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  response.mutable_resources(0)->mutable_resource()->set_type_url(std::string(kAuthorizationType));
  Add(response, "", Pod("pod-b", "\x0a\x01\x01\x01"));
  const auto outcome = talk.Say(response);
  REQUIRE(outcome.ok());
  CHECK(outcome->refused.size() == 2);
  CHECK(talk.published.back()->workload_count() == 0);
}

TEST_CASE("of a name that is twice in a response the first counts, and the second is refused") {
  Conversation talk;
  DeltaDiscoveryResponse response = Response(kAddressType);
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x01"));
  Add(response, "pod-a", Pod("pod-a", "\x0a\x01\x01\x02"));
  const auto outcome = talk.Say(response);
  REQUIRE(outcome.ok());
  REQUIRE(outcome->refused.size() == 1);
  CHECK(outcome->refused[0].field == "pod-a");
  CHECK(talk.published.back()->FindWorkloadAt({"", *Ip::Parse("10.1.1.1")}) != nullptr);
}

TEST_CASE("a nonce without an end is not echoed, the stream is closed") {
  Conversation talk;
  CHECK_FALSE(talk.Say(Response(kAddressType, std::string(5000, 'n'))).ok());
}

}  // namespace
}  // namespace aquifer::mesh
