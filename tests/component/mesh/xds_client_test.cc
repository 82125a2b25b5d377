// The client of discovery against a control plane that misbehaves: what was good stays in force,
// what was bad is told and counted, and the client comes back with what it holds.
#include "mesh/xds_client.h"

#include "core/rt/timer.h"
#include "mesh/builder.h"
#include "mesh/xds_sink.h"
#include "tests/component/mesh/scripted_plane.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/support.h"

namespace aquifer::mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using std::chrono::milliseconds;
using test::Await;
using test::Close;
using test::End;
using test::Raw;
using test::Reset;
using test::Say;
using test::ScriptedPlane;

// The client with all that it talks to.
struct Client final : XdsObserver {
  explicit Client(std::vector<ScriptedPlane::Script> scripts, XdsClientOptions options = Quick())
      : plane(std::move(scripts), changed),
        channel(plane.Options(), [] { return certs::test::kNow; }),
        client(channel, state, sink, *this, options) {
    running.Spawn(client.Run(stop.token()));
  }
  static XdsClientOptions Quick() {
    return {.first_backoff = milliseconds(1), .longest_backoff = milliseconds(4)};
  }

  void OnConnected() override { Note(connected); }
  void OnDisconnected(std::string_view reason, const std::string& detail) override {
    ends.push_back(std::string(reason) + ": " + detail);
    changed.Wake();
  }
  void OnResponse(std::string_view, std::size_t, std::size_t, std::size_t) override {
    Note(responses);
  }
  void OnRefused(std::string_view, const Refusal& refusal) override {
    refused.push_back(refusal.ToString());
    changed.Wake();
  }
  void OnSynced() override { Note(synced); }
  void Note(int& counter) {
    ++counter;
    changed.Wake();
  }

  // Until `holds`; a test that waits in vain fails here.
  template <class Condition>
  Task<void> Until(Condition holds) {
    TimedStop timed(StopToken(), std::chrono::seconds(20), Reason::kTimeout);
    while (!holds()) {
      const Status waited = co_await changed.Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }
  Task<void> Finish() {
    stop.RequestStop();
    co_await running.Join();
    co_await channel.Shutdown();
    co_await plane.End();
  }
  bool Knows(std::string_view uid) const {
    return snapshot != nullptr && snapshot->FindWorkload(std::string(uid)) != nullptr;
  }
  const std::vector<DeltaDiscoveryRequest>& Heard(std::size_t stream) const {
    return plane.heard()[stream];
  }
  bool HasHeard(std::size_t stream, std::size_t requests) const {
    return plane.heard().size() > stream && Heard(stream).size() >= requests;
  }

  Event changed;
  ScriptedPlane plane;
  certs::Channel channel;
  Builder builder;
  SnapshotRef snapshot;
  MeshSink sink{builder, [this](SnapshotRef made) { snapshot = std::move(made); }};
  XdsState state{{std::string(kAddressType), std::string(kAuthorizationType)}, {}};
  int connected = 0;
  int responses = 0;
  int synced = 0;
  std::vector<std::string> ends;
  std::vector<std::string> refused;
  StopSource stop;
  Scope running;
  XdsClient client;
};

DeltaDiscoveryResponse Response(std::string_view type, const std::string& nonce) {
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(type));
  response.set_nonce(nonce);
  return response;
}

void AddPod(DeltaDiscoveryResponse& response, const std::string& uid, const std::string& version,
            const std::string& address = "\x0a\x01\x01\x01") {
  istio::workload::Address message;
  message.mutable_workload()->set_uid(uid);
  message.mutable_workload()->set_namespace_("default");
  message.mutable_workload()->add_addresses(address);
  auto& resource = *response.add_resources();
  resource.set_name(uid);
  resource.set_version(version);
  resource.mutable_resource()->set_type_url(std::string(kAddressType));
  resource.mutable_resource()->set_value(message.SerializeAsString());
}

DeltaDiscoveryResponse Pods(const std::vector<std::string>& uids, const std::string& nonce) {
  DeltaDiscoveryResponse response = Response(kAddressType, nonce);
  for (const std::string& uid : uids) AddPod(response, uid, "v1");
  return response;
}

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Has the plane say one pod, then `bad`; the pod is still known afterwards, the stream's end is
// told with `detail`, and the next stream starts with what is held.
Task<void> Survives(test::Step bad, std::string detail,
                    XdsClientOptions options = Client::Quick()) {
  Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), std::move(bad)}}, options);
  co_await c.Until([&c] { return c.HasHeard(1, 2); });
  CHECK(c.Knows("pod-a"));
  REQUIRE_FALSE(c.ends.empty());
  INFO(c.ends[0]);
  CHECK(Contains(c.ends[0], detail));
  CHECK(c.Heard(1)[0].initial_resource_versions().at("pod-a") == "v1");
  co_await c.Finish();
}

Task<void> Acknowledges() {
  Client c(
      {{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), Say(Response(kAuthorizationType, "n2"))}});
  co_await c.Until([&c] { return c.HasHeard(0, 4); });
  CHECK(c.Heard(0)[0].type_url() == kAddressType);
  CHECK(c.Heard(0)[1].type_url() == kAuthorizationType);
  CHECK(c.Heard(0)[2].response_nonce() == "n1");
  CHECK_FALSE(c.Heard(0)[2].has_error_detail());
  CHECK(c.Heard(0)[3].response_nonce() == "n2");
  CHECK(c.synced == 1);
  CHECK(c.Knows("pod-a"));
  co_await c.Finish();
}

Task<void> RefusesInPart() {
  DeltaDiscoveryResponse mixed = Pods({"pod-a"}, "n1");
  AddPod(mixed, "pod-b", "v1", "no address");
  Client c({{Await(2), Say(mixed)}});
  co_await c.Until([&c] { return c.HasHeard(0, 3); });
  const DeltaDiscoveryRequest& nack = c.Heard(0)[2];
  CHECK(nack.response_nonce() == "n1");
  CHECK(nack.error_detail().code() == kInvalidArgument);
  CHECK(Contains(nack.error_detail().message(), "pod-b"));
  CHECK_FALSE(Contains(nack.error_detail().message(), "pod-a"));
  CHECK(c.refused.size() == 1);
  CHECK(c.Knows("pod-a"));
  CHECK_FALSE(c.Knows("pod-b"));
  CHECK(c.ends.empty());
  co_await c.Finish();
}

Task<void> TellsVersions() {
  DeltaDiscoveryResponse removal = Pods({"pod-c"}, "n2");
  removal.add_removed_resources("pod-b");
  Client c(
      {{Await(2), Say(Pods({"pod-a", "pod-b"}, "n1")), Await(3), Say(removal), Await(4), End()}});
  co_await c.Until([&c] { return c.HasHeard(1, 2); });
  CHECK(c.ends == std::vector<std::string>{"Complete: "});
  const auto& held = c.Heard(1)[0].initial_resource_versions();
  CHECK(held.size() == 2);
  CHECK(held.count("pod-a") == 1);
  CHECK(held.count("pod-c") == 1);
  CHECK_FALSE(c.Knows("pod-b"));
  CHECK(c.connected == 2);
  co_await c.Finish();
}

// What a new stream says is taken as any other: a removal while we were away comes then.
Task<void> LearnsOfRemovals() {
  DeltaDiscoveryResponse removal = Response(kAddressType, "m1");
  removal.add_removed_resources("pod-a");
  Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), Close()}, {Await(2), Say(removal)}});
  co_await c.Until([&c] { return c.HasHeard(1, 3); });
  CHECK_FALSE(c.Knows("pod-a"));
  CHECK(c.synced == 0);
  co_await c.Finish();
}

// Refused once, and sent again in order after the reconnect, because it is held without a version.
Task<void> TakesTheMendedOne() {
  DeltaDiscoveryResponse broken = Response(kAddressType, "n1");
  AddPod(broken, "pod-a", "v7", "no address");
  Client c({{Await(2), Say(broken), Await(3), End()}, {Await(2), Say(Pods({"pod-a"}, "m1"))}});
  co_await c.Until([&c] { return c.HasHeard(1, 3); });
  CHECK(c.Heard(1)[0].initial_resource_versions().at("pod-a").empty());
  CHECK(c.Knows("pod-a"));
  CHECK(c.refused.size() == 1);
  co_await c.Finish();
}

// Streams that end before they say anything: each end doubles the pause.
Task<void> BacksOff() {
  const XdsClientOptions options{.first_backoff = milliseconds(2),
                                 .longest_backoff = milliseconds(16)};
  Client c(
      std::vector<ScriptedPlane::Script>(5, {Await(2), End({http::GrpcCode::kUnavailable, "no"})}),
      options);
  const TimePoint start = Loop::Current().now();
  co_await c.Until([&c] { return c.HasHeard(5, 2); });
  CHECK(Loop::Current().now() - start >= milliseconds(4 + 8 + 16 + 16 + 16));
  for (const std::string& end : c.ends) CHECK(end == "Error: UNAVAILABLE: no");
  co_await c.Finish();
}

Task<void> KeepsWithoutPlane() {
  Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), Close()}});
  co_await c.Until([&c] { return c.HasHeard(0, 3); });
  c.plane.Deafen();
  co_await c.Until([&c] { return c.ends.size() >= 4; });
  CHECK(c.ends.back().starts_with("ConnectionError: "));
  CHECK(c.Knows("pod-a"));
  co_await c.Finish();
}

Task<void> StopsWhilePlaneIsSilent() {
  Client c({{Await(2), Raw(std::string("\0\0\0\1", 4))}});
  co_await c.Until([&c] { return c.HasHeard(0, 2); });
  co_await c.Finish();
  CHECK(c.ends.empty());
}

std::string Length(std::uint32_t bytes) {
  std::string out(1, '\0');
  ByteWriter(out).U32(bytes);
  return out;
}

}  // namespace

TEST_CASE("what is good is acknowledged with its nonce, and every type is asked for") {
  aquifer::test::Run(Acknowledges());
}
TEST_CASE("a NACK names the resource that is bad, and the others are in force") {
  aquifer::test::Run(RefusesInPart());
}
TEST_CASE("a new stream starts with the versions of what is held, without what was removed") {
  aquifer::test::Run(TellsVersions());
}
TEST_CASE("what was removed while the stream was down is gone after it") {
  aquifer::test::Run(LearnsOfRemovals());
}
TEST_CASE("a resource that was refused is asked for again") {
  aquifer::test::Run(TakesTheMendedOne());
}
TEST_CASE("a control plane that hangs up is asked ever more rarely") {
  aquifer::test::Run(BacksOff());
}
TEST_CASE("without a control plane what was known stays") {
  aquifer::test::Run(KeepsWithoutPlane());
}
TEST_CASE("a client that waits within a message can be stopped") {
  aquifer::test::Run(StopsWhilePlaneIsSilent());
}
TEST_CASE("bytes that are no response end the stream and nothing else") {
  aquifer::test::Run(Survives(Say("\xff\xff\xff"), "no DeltaDiscoveryResponse"));
}
TEST_CASE("a response that is cut off leaves what was known") {
  const std::string whole = Pods({"pod-b"}, "n2").SerializeAsString();
  const std::string frame = Length(static_cast<std::uint32_t>(whole.size())) + whole;
  for (const std::size_t cut : {1UL, 4UL, 5UL, 6UL, frame.size() - 1}) {
    const std::string part = frame.substr(0, cut);
    const auto body = [](std::string bytes, test::Step last) -> Task<void> {
      Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), Raw(std::move(bytes)),
                 std::move(last)}});
      co_await c.Until([&c] { return c.HasHeard(1, 2); });
      CHECK(c.Knows("pod-a"));
      CHECK_FALSE(c.Knows("pod-b"));
      REQUIRE(c.ends.size() == 1);
      CHECK(c.ends[0].starts_with("Error: "));
      co_await c.Finish();
    };
    aquifer::test::Run(body(part, Close()));
    aquifer::test::Run(body(part, Reset()));
    aquifer::test::Run(body(part, End()));
  }
}
TEST_CASE("a message over the limit is refused by its length alone") {
  XdsClientOptions options = Client::Quick();
  options.max_message_bytes = 10'000;
  aquifer::test::Run(Survives(Raw(Length(10'001)), "Error: RESOURCE_EXHAUSTED", options));
}
TEST_CASE("a response of a type that nobody asked for ends the stream") {
  aquifer::test::Run(Survives(Say(Response("type.googleapis.com/other", "n2")), "type_url"));
}
TEST_CASE("a stream that the control plane resets is opened again") {
  aquifer::test::Run(Survives(Reset(), "Error: "));
}

}  // namespace aquifer::mesh
