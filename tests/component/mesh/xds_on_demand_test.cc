// Discovery on demand against a control plane: what is asked for, who waits for which answer, and
// what a new stream is told.
#include "tests/component/mesh/xds_world.h"

namespace aquifer::mesh {
namespace {

using test::AddPod;
using test::Await;
using test::Client;
using test::Close;
using test::DeltaDiscoveryRequest;
using test::DeltaDiscoveryResponse;
using test::Response;
using test::Say;
using test::ScriptedPlane;

struct OnDemand : Client {
  explicit OnDemand(std::vector<ScriptedPlane::Script> scripts)
      : Client(std::move(scripts), Quick(), std::string(kAddressType)) {}

  Task<void> Know(std::string name, Status& status) {
    status = co_await client.Know(std::move(name), stop.token());
    changed.Wake();
  }
};

std::vector<std::string> Subscribed(const DeltaDiscoveryRequest& request) {
  return {request.resource_names_subscribe().begin(), request.resource_names_subscribe().end()};
}

// A pod that is also known by an address, as istiod says it.
DeltaDiscoveryResponse PodAt(const std::string& alias, const std::string& nonce) {
  DeltaDiscoveryResponse response = Response(kAddressType, nonce);
  AddPod(response, "pod-a", "v1");
  response.mutable_resources(0)->add_aliases(alias);
  return response;
}

DeltaDiscoveryResponse Nothing(const std::string& name, const std::string& nonce) {
  DeltaDiscoveryResponse response = Response(kAddressType, nonce);
  response.add_removed_resources(name);
  return response;
}

Task<void> AsksForNothingFirst() {
  OnDemand c({{Await(2), Say(Response(kAuthorizationType, "n1")), Await(3)}});
  co_await c.Until([&c] { return c.HasHeard(0, 3); });
  const DeltaDiscoveryRequest& first = c.Heard(0)[0];
  CHECK(Subscribed(first) == std::vector<std::string>{"*"});
  REQUIRE(first.resource_names_unsubscribe_size() == 1);
  CHECK(first.resource_names_unsubscribe(0) == "*");
  CHECK(c.Heard(0)[1].resource_names_subscribe_size() == 0);
  CHECK(c.synced == 1);  // policies alone are waited for
  co_await c.Finish();
}

Task<void> WaitsForTheAnswer() {
  OnDemand c({{Await(3), Say(PodAt("/10.1.1.1", "n1"))}});
  Status status = Error{Reason::kTimeout};
  Status again = Error{Reason::kTimeout};
  Scope asking;
  asking.Spawn(c.Know("/10.1.1.1", status));
  asking.Spawn(c.Know("/10.1.1.1", again));
  co_await asking.Join();
  CHECK(status.ok());
  CHECK(again.ok());
  CHECK(c.snapshot->FindWorkloadAt({"", Ip::V4(10, 1, 1, 1)}) != nullptr);
  CHECK(Subscribed(c.Heard(0)[2]) == std::vector<std::string>{"/10.1.1.1"});
  co_await c.Finish();
}

Task<void> RemembersThatThereIsNothing() {
  OnDemand c({{Await(3), Say(Nothing("/10.9.9.9", "n1")), Await(4)}});
  for (int i = 0; i < 2; ++i) {
    Status status = Error{Reason::kTimeout};
    co_await c.Know("/10.9.9.9", status);
    CHECK(status.ok());
  }
  co_await c.Until([&c] { return c.HasHeard(0, 4); });
  CHECK(c.Heard(0)[3].response_nonce() == "n1");  // and no second question before it
  CHECK(c.Heard(0)[3].resource_names_subscribe_size() == 0);
  co_await c.Finish();
}

Task<void> AsksAgainOnTheNextStream() {
  OnDemand c({{Await(3), Say(Nothing("/10.9.9.9", "n1")), Await(4), Close()},
              {Await(3), Say(PodAt("/10.9.9.9", "m1")), Await(4)}});
  Status status = Error{Reason::kTimeout};
  co_await c.Know("/10.9.9.9", status);
  co_await c.Until([&c] { return c.HasHeard(1, 4); });
  CHECK(Subscribed(c.Heard(1)[2]) == std::vector<std::string>{"/10.9.9.9"});
  CHECK(c.Knows("pod-a"));
  co_await c.Finish();
}

// Asked while there is no stream: the first one that works carries the question.
Task<void> AsksOnceThereIsAStream() {
  OnDemand c({{Await(1), Close()}, {Await(3), Say(PodAt("default/web", "n1"))}});
  Status status = Error{Reason::kTimeout};
  co_await c.Know("default/web", status);
  CHECK(status.ok());
  CHECK(c.Knows("pod-a"));
  co_await c.Finish();
}

Task<void> ARefusedOneIsAnAnswer() {
  DeltaDiscoveryResponse broken = Response(kAddressType, "n1");
  AddPod(broken, "pod-a", "v1", "no address");
  OnDemand c({{Await(3), Say(broken)}});
  Status status = Error{Reason::kTimeout};
  co_await c.Know("pod-a", status);
  CHECK(status.ok());
  CHECK(c.refused.size() == 1);
  co_await c.Finish();
}

}  // namespace

TEST_CASE("an on-demand client follows all policies and no addresses") {
  aquifer::test::Run(AsksForNothingFirst());
}
TEST_CASE("who needs a name waits for the control plane's answer") {
  aquifer::test::Run(WaitsForTheAnswer());
}
TEST_CASE("that there is nothing under a name is asked once") {
  aquifer::test::Run(RemembersThatThereIsNothing());
}
TEST_CASE("a new stream is asked for every name again") {
  aquifer::test::Run(AsksAgainOnTheNextStream());
}
TEST_CASE("a name that is needed while the control plane is away is asked for once it is back") {
  aquifer::test::Run(AsksOnceThereIsAStream());
}
TEST_CASE("a resource that is refused is an answer to who waits for it") {
  aquifer::test::Run(ARefusedOneIsAnAnswer());
}

}  // namespace aquifer::mesh
