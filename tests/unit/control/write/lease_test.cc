#include "control/write/lease.h"

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

using std::chrono::seconds;

const LeaseTimes kTimes{};
const TimePoint kStart = TimePoint(std::chrono::hours(1));
const std::string kWall = "2026-01-01T00:00:00.000000Z";

LeaseRecord HeldBy(const std::string& holder, const std::string& renewed = "r0") {
  return {holder, 15, "a0", renewed, 4};
}

const char* const kLease = R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
  "metadata":{"name":"l","resourceVersion":"7","labels":{"keep":"me"},"managedFields":[{}]},
  "spec":{"holderIdentity":"other","leaseDurationSeconds":15,"acquireTime":"a0","renewTime":"r0",
          "leaseTransitions":4,"strategy":"OldestEmulationVersion"}})";

}  // namespace

TEST_CASE("who finds no lease makes one and leads with it") {
  Election election("me", kTimes);
  const auto record = election.Judge(nullptr, kStart, kWall);
  REQUIRE(record.has_value());
  CHECK(*record == LeaseRecord{"me", 15, kWall, kWall, 0});
  CHECK_FALSE(election.Leads(kStart));
  election.Written(*record, kStart);
  CHECK(election.Leads(kStart + seconds(9)));
  CHECK_FALSE(election.Leads(kStart + seconds(10)));
}

TEST_CASE("a lease that somebody renews is left alone, whatever its times say") {
  Election election("me", kTimes);
  TimePoint now = kStart;
  for (int i = 0; i < 10; ++i, now += seconds(14)) {
    const LeaseRecord record = HeldBy("other", "r" + std::to_string(i));
    CHECK_FALSE(election.Judge(&record, now, kWall).has_value());
  }
  CHECK_FALSE(election.Leads(now));
}

TEST_CASE("a holder whose record stays the same for as long as it lasts is gone") {
  Election election("me", kTimes);
  const LeaseRecord stale = HeldBy("other");
  CHECK_FALSE(election.Judge(&stale, kStart, kWall).has_value());
  CHECK_FALSE(election.Judge(&stale, kStart + seconds(14), kWall).has_value());
  const auto record = election.Judge(&stale, kStart + seconds(15), kWall);
  REQUIRE(record.has_value());
  CHECK(*record == LeaseRecord{"me", 15, kWall, kWall, 5});
}

TEST_CASE("a lease that was given up is taken at once") {
  Election election("me", kTimes);
  const LeaseRecord free = HeldBy("");
  CHECK(election.Judge(&free, kStart, kWall).has_value());
}

TEST_CASE("a lease that claims to last for ever ends after an hour") {
  Election election("me", kTimes);
  LeaseRecord record = HeldBy("other");
  record.duration_seconds = INT32_MAX;
  CHECK_FALSE(election.Judge(&record, kStart, kWall).has_value());
  CHECK_FALSE(election.Judge(&record, kStart + seconds(3599), kWall).has_value());
  CHECK(election.Judge(&record, kStart + seconds(3600), kWall).has_value());
}

TEST_CASE("the holder renews, and keeps when it began") {
  Election election("me", kTimes);
  const LeaseRecord mine = HeldBy("me");
  const auto record = election.Judge(&mine, kStart, kWall);
  REQUIRE(record.has_value());
  CHECK(*record == LeaseRecord{"me", 15, "a0", kWall, 4});
}

TEST_CASE("who could not renew in time leads no longer, before anybody else can begin") {
  Election leader("me", kTimes);
  Election other("other", kTimes);
  const auto record = leader.Judge(nullptr, kStart, kWall);
  leader.Written(*record, kStart);
  CHECK_FALSE(other.Judge(&*record, kStart, kWall).has_value());
  for (TimePoint now = kStart; now < kStart + seconds(30); now += seconds(1)) {
    const bool taken = other.Judge(&*record, now, kWall).has_value();
    CHECK_FALSE((taken && leader.Leads(now)));
  }
  CHECK(leader.renew_by() == kStart + seconds(10));
}

TEST_CASE("who sees another holder leads no longer") {
  Election election("me", kTimes);
  election.Written(*election.Judge(nullptr, kStart, kWall), kStart);
  REQUIRE(election.Leads(kStart));
  const LeaseRecord taken = HeldBy("other");
  CHECK_FALSE(election.Judge(&taken, kStart, kWall).has_value());
  CHECK_FALSE(election.Leads(kStart));
}

TEST_CASE("only the holder gives a lease up, and leads no longer then") {
  Election election("me", kTimes);
  const auto record = election.Judge(nullptr, kStart, kWall);
  election.Written(*record, kStart);
  const auto released = election.Release(&*record, kWall);
  REQUIRE(released.has_value());
  CHECK(released->holder.empty());
  CHECK_FALSE(election.Leads(kStart));
  const LeaseRecord taken = HeldBy("other");
  CHECK_FALSE(election.Release(&taken, kWall).has_value());
  CHECK_FALSE(election.Release(nullptr, kWall).has_value());
}

TEST_CASE("a lease is read, and written without losing what else is in it") {
  const auto lease = ReadLease(kLease);
  REQUIRE(lease.ok());
  CHECK(lease->record == HeldBy("other"));
  const Json body = Json::parse(LeaseBody(*lease, {"me", 15, "a1", "r1", 5}));
  CHECK(body["metadata"]["resourceVersion"] == "7");
  CHECK(body["metadata"]["labels"]["keep"] == "me");
  CHECK(body["spec"]["strategy"] == "OldestEmulationVersion");
  CHECK(body["spec"]["holderIdentity"] == "me");
  CHECK(body["spec"]["leaseTransitions"] == 5);
}

TEST_CASE("a lease without a holder is read, one without a version is refused") {
  const auto empty = ReadLease(R"({"metadata":{"resourceVersion":"1"}})");
  REQUIRE(empty.ok());
  CHECK(empty->record == LeaseRecord{});
  CHECK(Json::parse(LeaseBody(*empty, HeldBy("me")))["spec"]["holderIdentity"] == "me");
  const auto refusal = [](const char* text) {
    const auto lease = ReadLease(text);
    return lease.ok() ? "" : lease.error().ToString();
  };
  CHECK(refusal(R"({"metadata":{}})") == "metadata.resourceVersion: is required");
  CHECK(refusal(R"({"metadata":{"resourceVersion":"1"},"spec":{"leaseDurationSeconds":-1}})") !=
        "");
  CHECK(refusal("[]") != "");
}

TEST_CASE("a new lease names its kind and place") {
  const Json body = Json::parse(NewLeaseBody("ns", "l", HeldBy("me")));
  CHECK(body["kind"] == "Lease");
  CHECK(body["metadata"] == Json{{"namespace", "ns"}, {"name", "l"}});
  CHECK(body["spec"]["renewTime"] == "r0");
}

}  // namespace aquifer::control
