#include "mesh/builder.h"

#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::mesh {
namespace {

std::vector<std::string> Keys(const AppliedPolicies& applied) {
  std::vector<std::string> keys;
  for (const PolicyRef& policy : applied.policies) keys.push_back(policy->key());
  return keys;
}

TEST_CASE("policies apply by namespace, then everywhere, then by attachment") {
  Builder builder;
  builder.Put(PolicyFor("attached", PolicyScope::kWorkloadSelector));
  builder.Put(PolicyFor("other", PolicyScope::kWorkloadSelector));
  builder.Put(PolicyFor("global", PolicyScope::kGlobal, "istio-system"));
  builder.Put(PolicyFor("ns", PolicyScope::kNamespace));
  builder.Put(PolicyFor("elsewhere", PolicyScope::kNamespace, "other"));
  Workload pod = Pod("a", "10.0.0.1");
  pod.authorization_policies = {"default/attached"};
  const SnapshotRef snapshot = builder.Build();
  CHECK(Keys(snapshot->PoliciesFor(pod)) ==
        std::vector<std::string>{"default/ns", "istio-system/global", "default/attached"});
  CHECK(snapshot->policy_count() == 5);
}

TEST_CASE("a policy that changes its scope is found only under the new one") {
  Builder builder;
  const Workload pod = Pod("a", "10.0.0.1");
  for (const PolicyScope scope : {PolicyScope::kGlobal, PolicyScope::kNamespace,
                                  PolicyScope::kWorkloadSelector, PolicyScope::kGlobal}) {
    builder.Put(PolicyFor("p", scope));
    const SnapshotRef snapshot = builder.Build();
    const size_t expected = scope == PolicyScope::kWorkloadSelector ? 0 : 1;
    CHECK(snapshot->PoliciesFor(pod).policies.size() == expected);
    CHECK(snapshot->FindPolicy("default/p")->scope == scope);
  }
}

TEST_CASE("an attached policy that nobody has seen is missing, not skipped") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  pod.authorization_policies = {"default/never"};
  builder.Put(pod);
  CHECK(builder.Build()->PoliciesFor(pod).missing == std::vector<std::string>{"default/never"});
}

TEST_CASE("removing a policy does not cut off workloads that are about to be detached") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  pod.authorization_policies = {"default/p"};
  builder.Put(PolicyFor("p", PolicyScope::kWorkloadSelector));
  builder.Put(pod);
  builder.RemovePolicy("default/p");
  const SnapshotRef removed = builder.Build();
  CHECK(removed->PoliciesFor(pod).missing.empty());
  CHECK(removed->PoliciesFor(pod).policies.empty());
  CHECK(removed->policy_count() == 0);

  SECTION("but saying again that it applies makes it missing") {
    builder.Put(pod);
    CHECK(builder.Build()->PoliciesFor(pod).missing.size() == 1);
  }
  SECTION("and when it comes back it applies") {
    builder.Put(PolicyFor("p", PolicyScope::kWorkloadSelector));
    const SnapshotRef back = builder.Build();
    CHECK(back->PoliciesFor(pod).policies.size() == 1);
    CHECK(back->policy_count() == 1);
  }
}

TEST_CASE("removed policies are remembered up to a bound, the oldest are missing first") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  pod.authorization_policies = {"default/p0", "default/p1999"};
  builder.Put(pod);
  for (int i = 0; i < 2000; ++i) {
    builder.Put(PolicyFor("p" + std::to_string(i), PolicyScope::kWorkloadSelector));
  }
  for (int i = 0; i < 2000; ++i) builder.RemovePolicy("default/p" + std::to_string(i));
  CHECK(builder.Build()->PoliciesFor(pod).missing == std::vector<std::string>{"default/p0"});
}

TEST_CASE("the policy generation rises with policies and with attachments, and else stays") {
  Builder builder;
  Workload pod = Pod("a", "10.0.0.1");
  builder.Put(pod);
  const auto generation = [&] { return builder.Build()->policy_generation(); };
  const std::uint64_t start = generation();
  pod.node = "elsewhere";
  builder.Put(pod);
  CHECK(generation() == start);
  pod.authorization_policies = {"default/p"};
  builder.Put(pod);
  const std::uint64_t attached = generation();
  CHECK(attached > start);
  builder.Put(PolicyFor("p", PolicyScope::kWorkloadSelector));
  CHECK(generation() > attached);
}

TEST_CASE("the policy generation rises as a workload of this node comes and goes, no other's") {
  Builder builder(BuilderOptions{.local_node = "here"});
  const auto generation = [&] { return builder.Build()->policy_generation(); };
  Workload pod = Pod("a", "10.0.0.1");
  pod.node = "elsewhere";
  builder.Put(pod);
  const std::uint64_t none = generation();
  pod.node = "here";
  builder.Put(pod);
  const std::uint64_t there = generation();
  CHECK(there > none);
  Workload other = Pod("b", "10.0.0.2");
  other.node = "elsewhere";
  builder.Put(other);
  builder.RemoveAddress(other.uid);
  pod.health = Health::kUnhealthy;
  builder.Put(pod);
  CHECK(generation() == there);
  pod.service_account = "new";
  builder.Put(pod);
  const std::uint64_t renamed = generation();
  CHECK(renamed > there);
  builder.RemoveAddress(pod.uid);
  CHECK(generation() > renamed);
}

}  // namespace
}  // namespace aquifer::mesh
