// Bytes of an istio.security.Authorization. Whatever comes, a connection to a workload that the
// policy may be meant for is never allowed because the policy could not be read.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "mesh/builder.h"
#include "mesh/rbac.h"
#include "mesh/xds_sink.h"

namespace {

using namespace aquifer::mesh;  // NOLINT: a fuzz target is one function

// In the policy's namespace and attached to it, so that every scope applies.
Workload Target(const std::string& ns, const std::string& key) {
  Workload workload;
  workload.uid = "target";
  workload.ns = ns;
  workload.authorization_policies = {key};
  return workload;
}

Decision Judge(const Snapshot& snapshot, const Workload& target,
               const aquifer::certs::Identity* identity) {
  const ConnectionView connection{identity, aquifer::Ip::V4(10, 0, 0, 1),
                                  aquifer::Address{aquifer::Ip::V4(10, 0, 0, 2), 8080}};
  const AppliedPolicies applied = snapshot.PoliciesFor(target);
  return Authorize(connection, applied.policies, applied.missing);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto silence = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silence);
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  istio::security::Authorization message;
  const bool parsed = message.ParseFromArray(data, static_cast<int>(size));
  const bool named = parsed && !message.name().empty() && !message.namespace_().empty();
  const std::string ns = named ? message.namespace_() : "default";
  const std::string key = named ? ns + "/" + message.name() : "default/p";

  Builder builder;
  SnapshotRef snapshot;
  MeshSink sink(builder, [&snapshot](SnapshotRef next) { snapshot = std::move(next); });
  sink.BeginResponse();
  const auto taken = sink.OnResource(kAuthorizationType, key, bytes);
  sink.CommitResponse();
  AQ_CHECK(snapshot != nullptr);

  const aquifer::certs::Identity identity{"cluster.local", "default", "client"};
  const Workload target = Target(ns, key);
  const Decision known = Judge(*snapshot, target, &identity);
  const Decision unknown = Judge(*snapshot, target, nullptr);
  const PolicyRef policy = snapshot->FindPolicy(key);
  if (!taken) {
    // Attached to what is not there denies as well.
    const bool dry_run = policy != nullptr && policy->dry_run;
    AQ_CHECK(policy == nullptr || policy->malformed);
    AQ_CHECK(dry_run || !known.allowed());
    AQ_CHECK(dry_run || !unknown.allowed());
  } else {
    AQ_CHECK(policy != nullptr);
    AQ_CHECK(!policy->malformed);
    AQ_CHECK(known.allowed() || !known.policy.empty() || known.verdict == Verdict::kNotAllowed);
  }
  sink.OnRemoved(kAuthorizationType, key);
  sink.CommitResponse();
  AQ_CHECK(snapshot->policy_count() == 0);
  return 0;
}
