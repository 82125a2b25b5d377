#include "control/write/lease.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr JsonLimits kLimits{.bytes = 64 << 10, .values = 2000, .depth = 16};
// A Lease that claims to last longer would keep everybody from leading after its holder has gone.
constexpr std::int64_t kLongestSeconds = 3600;
constexpr size_t kMaxIdentity = 1024;

void WriteRecord(const LeaseRecord& record, Json& spec) {
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = record.duration_seconds;
  spec["acquireTime"] = record.acquire_time;
  spec["renewTime"] = record.renew_time;
  spec["leaseTransitions"] = record.transitions;
}

}  // namespace

Decoded<Lease> ReadLease(std::string_view text) {
  AQ_TRY(Json object, ReadJson(text, kLimits));
  std::optional<Refusal> refusal;
  Fields root(&object, "", refusal);
  Fields metadata = root.Object("metadata");
  metadata.RequiredText("resourceVersion", kMaxNameText);
  Fields spec = root.Object("spec");
  Lease lease;
  lease.record.holder = spec.Text("holderIdentity", "", kMaxIdentity);
  lease.record.duration_seconds = spec.Number("leaseDurationSeconds", 0, 0, INT32_MAX);
  lease.record.acquire_time = spec.Text("acquireTime", "", 64);
  lease.record.renew_time = spec.Text("renewTime", "", 64);
  lease.record.transitions = spec.Number("leaseTransitions", 0, 0, INT32_MAX);
  if (refusal) return *std::move(refusal);
  lease.object = std::move(object);
  return lease;
}

std::string NewLeaseBody(std::string_view namespace_name, std::string_view name,
                         const LeaseRecord& record) {
  Json body = {{"apiVersion", "coordination.k8s.io/v1"},
               {"kind", "Lease"},
               {"metadata", {{"namespace", namespace_name}, {"name", name}}},
               {"spec", Json::object()}};
  WriteRecord(record, body["spec"]);
  return WriteJson(body);
}

std::string LeaseBody(const Lease& lease, const LeaseRecord& record) {
  Json body = lease.object;
  Json& spec = body["spec"];
  if (!spec.is_object()) spec = Json::object();
  WriteRecord(record, spec);
  return WriteJson(body);
}

void Election::Observe(const LeaseRecord& record, TimePoint now) {
  if (observed_ == record) return;
  observed_ = record;
  observed_at_ = now;
}

std::optional<LeaseRecord> Election::Judge(const LeaseRecord* present, TimePoint now,
                                           const std::string& wall) {
  LeaseRecord next{identity_, times_.duration.count(), wall, wall, 0};
  if (present == nullptr) {
    renewed_.reset();  // nobody leads by a Lease that is not there
    return next;
  }
  Observe(*present, now);
  if (present->holder == identity_) {
    next.acquire_time = present->acquire_time;
    next.transitions = present->transitions;
    return next;
  }
  renewed_.reset();
  const std::chrono::seconds lasts(std::min(present->duration_seconds, kLongestSeconds));
  if (!present->holder.empty() && now < observed_at_ + lasts) return std::nullopt;
  next.transitions = std::min<std::int64_t>(present->transitions, INT32_MAX - 1) + 1;
  return next;
}

void Election::Written(const LeaseRecord& record, TimePoint sent) {
  Observe(record, sent);
  if (record.holder == identity_) renewed_ = sent;
}

std::optional<LeaseRecord> Election::Release(const LeaseRecord* present, const std::string& wall) {
  renewed_.reset();
  if (present == nullptr || present->holder != identity_) return std::nullopt;
  // One second, as a Lease may not last shorter.
  return LeaseRecord{"", 1, wall, wall, present->transitions};
}

}  // namespace aquifer::control
