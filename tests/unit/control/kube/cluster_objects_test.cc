#include "control/kube/cluster_objects.h"

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

const DecoderRow& RowOf(std::string_view group, std::string_view kind) {
  return *FindDecoder({std::string(group), "", std::string(kind)});
}
const DecoderRow& Pods() { return RowOf("", "Pod"); }
const DecoderRow& Policies() { return RowOf("security.istio.io", "AuthorizationPolicy"); }

Json PodOf(const std::string& name, const std::string& ip) {
  return {{"metadata", {{"name", name}, {"namespace", "web"}}}, {"status", {{"podIP", ip}}}};
}
Json PolicyOf(const Json& spec) {
  return {{"metadata", {{"name", "p"}, {"namespace", "web"}}}, {"spec", spec}};
}
const Json kGood = {{"action", "ALLOW"}, {"rules", Json::array({Json::object()})}};
const Json kBad = {{"action", "PERHAPS"}};

std::string IpOf(const Observation& seen, const std::string& pod) {
  const Pod* found = FindObject(seen.objects.pods, "web", pod);
  return found == nullptr ? "none" : found->ips.at(0).ToString();
}

}  // namespace

TEST_CASE("objects come, change and go") {
  ClusterObjects objects;
  CHECK(objects.Put(Pods(), PodOf("a", "10.0.0.1")));
  CHECK(objects.changed().is_set());
  CHECK(IpOf(objects.Observe(), "a") == "10.0.0.1");
  CHECK(objects.Put(Pods(), PodOf("a", "10.0.0.2")));
  CHECK(IpOf(objects.Observe(), "a") == "10.0.0.2");
  objects.Remove(Pods(), PodOf("a", ""));
  CHECK(IpOf(objects.Observe(), "a") == "none");
}

TEST_CASE("what says nothing new is no change") {
  ClusterObjects objects;
  CHECK(objects.Put(Pods(), PodOf("a", "10.0.0.1")));
  Json policy = PolicyOf(kGood);
  policy["metadata"]["generation"] = 1;
  CHECK(objects.Put(Policies(), policy));
  objects.changed().Reset();
  Json pod = PodOf("a", "10.0.0.1");
  pod["metadata"]["resourceVersion"] = "7";
  CHECK(objects.Put(Pods(), pod));
  policy["status"] = {{"conditions", Json::array()}};
  CHECK(objects.Put(Policies(), policy));
  CHECK_FALSE(objects.changed().is_set());
  policy["metadata"]["generation"] = 2;
  CHECK(objects.Put(Policies(), policy));
  CHECK(objects.changed().is_set());
}

TEST_CASE("a list replaces the objects of its kind and of no other") {
  ClusterObjects objects;
  CHECK(objects.Put(Pods(), PodOf("old", "10.0.0.1")));
  CHECK(objects.Put(Policies(), PolicyOf(kGood)));
  ClusterObjects::Listing listing = objects.Begin(Pods());
  CHECK(listing.Add(PodOf("new", "10.0.0.2")));
  CHECK(IpOf(objects.Observe(), "old") == "10.0.0.1");
  objects.Replace(std::move(listing));
  CHECK(IpOf(objects.Observe(), "old") == "none");
  CHECK(IpOf(objects.Observe(), "new") == "10.0.0.2");
  CHECK(objects.Observe().objects.authorization_policies.size() == 1);
}

TEST_CASE("the objects are complete once every kind was listed") {
  ClusterObjects objects;
  for (const DecoderRow& row : Decoders()) {
    CHECK_FALSE(objects.complete());
    objects.Replace(objects.Begin(row));
  }
  CHECK(objects.complete());
}

TEST_CASE("an object that comes in a bad form stays as it was") {
  ClusterObjects objects;
  CHECK(objects.Put(Policies(), PolicyOf(kGood)));
  CHECK(objects.Put(Policies(), PolicyOf(kBad)));
  for (int readings = 0; readings < 2; ++readings) {
    const Observation seen = objects.Observe();
    REQUIRE(seen.objects.authorization_policies.size() == 1);
    CHECK(seen.objects.authorization_policies.begin()->second.action ==
          AuthorizationPolicy::Action::kAllow);
    CHECK(seen.kept == 1);
    REQUIRE(seen.refusals.size() == 1);
    CHECK(seen.refusals[0].ToString().starts_with("cluster, AuthorizationPolicy web/p: spec"));
    // The same by a list.
    ClusterObjects::Listing listing = objects.Begin(Policies());
    CHECK(listing.Add(PolicyOf(kBad)));
    objects.Replace(std::move(listing));
  }
  CHECK(objects.Put(Policies(), PolicyOf(kGood)));
  CHECK(objects.Observe().refusals.empty());
}

TEST_CASE("a policy that was never good denies, and still does when it is bad in another way") {
  ClusterObjects objects;
  CHECK(objects.Put(Policies(), PolicyOf(kBad)));
  CHECK(objects.Put(Policies(), PolicyOf({{"action", 7}})));
  const Observation seen = objects.Observe();
  REQUIRE(seen.objects.authorization_policies.size() == 1);
  CHECK(seen.objects.authorization_policies.begin()->second.action ==
        AuthorizationPolicy::Action::kDeny);
  CHECK(seen.closed == 1);
  CHECK(seen.kept == 0);
}

TEST_CASE("a PeerAuthentication that was never good is strict where it selects") {
  const DecoderRow& row = *FindDecoder({"security.istio.io", "v1", "PeerAuthentication"});
  const auto seen = [&](const char* spec) {
    ClusterObjects objects;
    CHECK(objects.Put(
        row, {{"metadata", {{"name", "p"}, {"namespace", "shop"}}}, {"spec", Json::parse(spec)}}));
    const Observation observed = objects.Observe();
    CHECK(observed.closed == 1);
    CHECK(observed.refusals.size() == 1);
    REQUIRE(observed.objects.peer_authentications.size() == 1);
    return observed.objects.peer_authentications.begin()->second;
  };
  const PeerAuthentication misspelt =
      seen(R"({"selector": {"matchLabels": {"app": "db"}}, "mtls": {"mod": "STRICT"}})");
  CHECK(misspelt.mode == PeerAuthentication::Mode::kStrict);
  CHECK(misspelt.selector == Labels{{"app", "db"}});
  const PeerAuthentication unselected = seen(R"({"selector": 7, "mtls": {"mode": "PERMISSIVE"}})");
  CHECK(unselected.mode == PeerAuthentication::Mode::kStrict);
  CHECK(unselected.selector.empty());
}

TEST_CASE("a kind that cannot be followed is among the refusals") {
  ClusterObjects objects;
  objects.SetProblem(Pods(), "cannot be followed: 403");
  REQUIRE(objects.Observe().refusals.size() == 1);
  CHECK(objects.Observe().refusals[0].ToString() == "cluster, pods: cannot be followed: 403");
  objects.SetProblem(Pods(), "");
  CHECK(objects.Observe().refusals.empty());
}

}  // namespace aquifer::control
