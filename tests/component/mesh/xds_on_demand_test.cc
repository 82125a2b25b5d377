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
  explicit OnDemand(std::vector<ScriptedPlane::Script> scripts,
                    Clock::duration nothing_holds = std::chrono::hours(1))
      : Client(std::move(scripts), Quick(), std::string(kAddressType),
               {.nothing_holds = nothing_holds}) {}

  Task<void> Know(std::string name, Status& status) {
    status = co_await client.Know(std::move(name), stop.token());
    changed.Wake();
  }
};

std::vector<std::string> Subscribed(const DeltaDiscoveryRequest& request) {
  return {request.resource_names_subscribe().begin(), request.resource_names_subscribe().end()};
}

std::vector<std::string> Unsubscribed(const DeltaDiscoveryRequest& request) {
  return {request.resource_names_unsubscribe().begin(), request.resource_names_unsubscribe().end()};
}

// A pod that is also known by an address, as istiod says it.
DeltaDiscoveryResponse PodAt(const std::string& alias, const std::string& nonce,
                             const std::string& uid = "pod-a") {
  DeltaDiscoveryResponse response = Response(kAddressType, nonce);
  AddPod(response, uid, "v1");
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

// Those about `name` on the first stream, in order: istiod answers a subscription that is new to
// it, and takes what a request subscribes to before what it unsubscribes from.
std::vector<std::string> SaidOf(const OnDemand& c, const std::string& name) {
  std::vector<std::string> said;
  for (const DeltaDiscoveryRequest& request : c.Heard(0)) {
    const bool off = Unsubscribed(request) == std::vector<std::string>{name};
    const bool on = Subscribed(request) == std::vector<std::string>{name};
    if (off && !on) said.emplace_back("unsubscribe");
    if (on && !off) said.emplace_back("subscribe");
  }
  return said;
}

Task<void> AsksAnewWhereThereWasNothing() {
  OnDemand c({{Await(3), Say(Nothing("/10.1.1.1", "n1")), Await(6), Say(PodAt("/10.1.1.1", "n2"))}},
             Clock::duration::zero());
  Status status = Error{Reason::kTimeout};
  co_await c.Know("/10.1.1.1", status);
  CHECK(status.ok());
  CHECK_FALSE(c.Knows("pod-a"));
  co_await c.Know("/10.1.1.1", status);
  CHECK(status.ok());
  CHECK(c.Knows("pod-a"));
  CHECK(SaidOf(c, "/10.1.1.1") ==
        std::vector<std::string>{"subscribe", "unsubscribe", "subscribe"});
  co_await c.Finish();
}

Task<void> AsksAnewOnceItHasGone() {
  OnDemand c({{Await(3), Say(PodAt("/10.1.1.1", "n1")), Await(4), Say(Nothing("pod-a", "n2")),
               Await(7), Say(PodAt("/10.1.1.1", "n3", "pod-b"))}});
  Status status = Error{Reason::kTimeout};
  co_await c.Know("/10.1.1.1", status);
  CHECK(c.Knows("pod-a"));
  co_await c.Until([&c] { return !c.Knows("pod-a") && c.HasHeard(0, 5); });
  co_await c.Know("/10.1.1.1", status);
  CHECK(status.ok());
  CHECK(c.Knows("pod-b"));
  CHECK(SaidOf(c, "/10.1.1.1") ==
        std::vector<std::string>{"subscribe", "unsubscribe", "subscribe"});
  co_await c.Finish();
}

Task<void> AsksAnewOnceItHasMoved() {
  DeltaDiscoveryResponse moved = Response(kAddressType, "n2");
  AddPod(moved, "pod-a", "v2", "\x0a\x01\x01\x02");
  moved.mutable_resources(0)->add_aliases("/10.1.1.2");
  OnDemand c({{Await(3), Say(PodAt("/10.1.1.1", "n1")), Await(4), Say(moved), Await(7),
               Say(PodAt("/10.1.1.1", "n3", "pod-b"))}});
  Status status = Error{Reason::kTimeout};
  co_await c.Know("/10.1.1.1", status);
  co_await c.Until([&c] { return c.HasHeard(0, 5); });
  co_await c.Know("/10.1.1.1", status);
  CHECK(status.ok());
  CHECK(c.Knows("pod-b"));
  co_await c.Finish();
}

Task<void> AnUnreadableOneIsNone() {
  DeltaDiscoveryResponse broken = Response(kAddressType, "n1");
  AddPod(broken, "pod-a", "v1", "no address");
  broken.mutable_resources(0)->add_aliases("/10.1.1.1");
  OnDemand c({{Await(3), Say(broken), Await(5), Say(PodAt("/10.1.1.1", "n2"))}});
  Status status;
  co_await c.Know("/10.1.1.1", status);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().reason == Reason::kUnreadableResource);
  CHECK(c.refused.size() == 1);
  // It is mended with the question for another.
  Scope asking;
  Status other;
  asking.Spawn(c.Know("/10.9.9.9", other));
  co_await c.Until([&c] { return c.Knows("pod-a"); });
  co_await c.Know("/10.1.1.1", status);
  CHECK(status.ok());
  co_await c.Finish();
  co_await asking.Join();
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
TEST_CASE("who needs what cannot be read is refused until it can be") {
  aquifer::test::Run(AnUnreadableOneIsNone());
}
TEST_CASE("where there was nothing is asked for anew after a while") {
  aquifer::test::Run(AsksAnewWhereThereWasNothing());
}
TEST_CASE("an address is asked for anew once its pod has gone") {
  aquifer::test::Run(AsksAnewOnceItHasGone());
}
TEST_CASE("an address is asked for anew once its pod has it no more") {
  aquifer::test::Run(AsksAnewOnceItHasMoved());
}

}  // namespace aquifer::mesh
