// The client of discovery against a control plane that misbehaves: what was good stays in force,
// what was bad is told and counted, and the client comes back with what it holds.
#include "mesh/xds_client.h"

#include "tests/component/mesh/xds_world.h"

namespace aquifer::mesh {
namespace {

using std::chrono::milliseconds;
using test::AddPod;
using test::Await;
using test::Client;
using test::Close;
using test::Contains;
using test::DeltaDiscoveryRequest;
using test::DeltaDiscoveryResponse;
using test::End;
using test::Pods;
using test::Raw;
using test::Reset;
using test::Response;
using test::Say;
using test::ScriptedPlane;

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

// A control plane that is away for a while, and restarted with another mesh: what is said in the
// end is what is known, and nothing of the time before.
Task<void> Converges() {
  std::vector<ScriptedPlane::Script> scripts{{Await(2), Say(Pods({"pod-a", "pod-b"}, "n1")),
                                              Await(3), Say(Response(kAuthorizationType, "n2")),
                                              Await(4), Close()}};
  for (int i = 0; i < 10; ++i) scripts.push_back({Await(1), Close()});
  DeltaDiscoveryResponse after = Response(kAddressType, "m1");
  AddPod(after, "pod-b", "v2", "\x0a\x01\x01\x02");
  AddPod(after, "pod-c", "v1", "\x0a\x01\x01\x03");
  after.add_removed_resources("pod-a");
  scripts.push_back({Await(2), Say(after)});
  Client c(std::move(scripts));
  co_await c.Until([&c] { return c.HasHeard(10, 1); });
  CHECK(c.Knows("pod-a"));  // stale, and serving
  co_await c.Until([&c] { return c.HasHeard(11, 3); });
  CHECK_FALSE(c.Knows("pod-a"));
  REQUIRE(c.Knows("pod-b"));
  CHECK(c.snapshot->FindWorkload("pod-b")->HasAddress(Ip::V4(10, 1, 1, 2)));
  CHECK_FALSE(c.snapshot->FindWorkloadAt({"", Ip::V4(10, 1, 1, 1)}));
  CHECK(c.Knows("pod-c"));
  CHECK(c.synced == 1);
  co_await c.Finish();
}

// Which word each end is counted under.
Task<void> NamesEnds() {
  const auto talks = [](test::Step end) {
    return ScriptedPlane::Script{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), std::move(end)};
  };
  Client c({talks(End()), talks(Reset()), talks(Close()),
            talks(End({http::GrpcCode::kCancelled, "gone"})),
            talks(End({http::GrpcCode::kUnavailable, "transport is closing"})),
            talks(End({http::GrpcCode::kPermissionDenied, "no"}))});
  // A connection that has just ended may be tried once more; that is another matter.
  const auto told = [&c] {
    std::vector<std::string> ends = c.ends;
    std::erase_if(ends, [](const std::string& end) { return end.starts_with("ConnectionError"); });
    return ends;
  };
  co_await c.Until([&told] { return told().size() == 6; });
  const std::vector<std::string> words{"Complete",  "Reconnect", "Reconnect",
                                       "Reconnect", "Reconnect", "Error"};
  for (std::size_t i = 0; i < words.size(); ++i) CHECK(told()[i].starts_with(words[i] + ": "));
  co_await c.Finish();
}

// With a pause this would not end in time.
Task<void> StartsOverAtOnce() {
  const XdsClientOptions options{.first_backoff = std::chrono::minutes(1),
                                 .longest_backoff = std::chrono::minutes(1)};
  Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), End()}}, options);
  co_await c.Until([&c] { return c.HasHeard(1, 2); });
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
TEST_CASE("after an outage what is known is what the control plane says by then") {
  aquifer::test::Run(Converges());
}
TEST_CASE("each end of a stream is counted under its word") { aquifer::test::Run(NamesEnds()); }
TEST_CASE("a stream that ended in good order is opened again at once") {
  aquifer::test::Run(StartsOverAtOnce());
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
    const auto body = [](std::string bytes, test::Step last, std::string reason) -> Task<void> {
      Client c({{Await(2), Say(Pods({"pod-a"}, "n1")), Await(3), Raw(std::move(bytes)),
                 std::move(last)}});
      co_await c.Until([&c] { return c.HasHeard(1, 2); });
      CHECK(c.Knows("pod-a"));
      CHECK_FALSE(c.Knows("pod-b"));
      REQUIRE(c.ends.size() == 1);
      CHECK(c.ends[0].starts_with(reason));
      co_await c.Finish();
    };
    aquifer::test::Run(body(part, Close(), "Reconnect: "));
    aquifer::test::Run(body(part, Reset(), "Reconnect: "));
    aquifer::test::Run(body(part, End(), "Error: "));
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
  aquifer::test::Run(Survives(Reset(), "Reconnect: "));
}

}  // namespace aquifer::mesh
