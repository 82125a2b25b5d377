#include "mesh/builder.h"

#include <memory>
#include <optional>
#include <utility>

#include "mesh/decode.h"
#include "mesh/fields.h"

namespace aquifer::mesh {
namespace {

std::optional<Refusal> WrongName(std::string_view field, const std::string& own,
                                 std::string_view name) {
  if (own == name) return std::nullopt;
  return Refusal{std::string(field), "is not the resource's name: " + own};
}

// What the mistake means for clients, for log and NACK.
Refusal Shut(Refusal refusal) {
  refusal.why += "; until that is mended, connections to it are refused";
  return refusal;
}

}  // namespace

Result<void, Refusal> Builder::PutAddress(std::string_view name,
                                          const istio::workload::Address& message) {
  if (message.has_workload()) return PutAddress(name, message.workload());
  if (message.has_service()) return PutAddress(name, message.service());
  return Refusal{"type", "is neither a workload nor a service"};
}

Result<void, Refusal> Builder::PutAddress(std::string_view name,
                                          const istio::workload::Workload& message) {
  if (auto refused = WrongName("workload.uid", message.uid(), name)) return *refused;
  Decoded<Workload> workload = DecodeWorkload(message, texts_);
  if (workload.ok()) {
    Put(*std::move(workload));
    return {};
  }
  const Refusal why = Within("workload", workload.error());
  const WorkloadRef* row = tables_.by_uid.Find(name);
  const WorkloadRef before = row == nullptr ? nullptr : *row;
  auto closed = ClosedWorkload(message, before.get());
  if (!closed) return why;
  const bool shut = LeadsNowhere(closed->waypoint);
  Put(*std::move(closed));
  return shut ? Shut(why) : why;
}

Result<void, Refusal> Builder::PutAddress(std::string_view name,
                                          const istio::workload::Service& message) {
  const std::string key = message.namespace_() + "/" + message.hostname();
  if (auto refused = WrongName("service.hostname", key, name)) return *refused;
  Decoded<Service> service = In("service", DecodeService(message, texts_));
  if (service.ok()) {
    Put(*std::move(service));
    return {};
  }
  const std::optional<NamespacedHostname> parsed = NamespacedHostname::Parse(name);
  const ServiceRef before = parsed ? tables_.FindService(*parsed) : nullptr;
  std::optional<Service> closed = parsed ? ClosedService(message, before.get()) : std::nullopt;
  if (!closed) return service.error();
  const bool shut = LeadsNowhere(closed->waypoint);
  Put(*std::move(closed));
  return shut ? Shut(service.error()) : service.error();
}

Result<void, Refusal> Builder::PutAuthorization(std::string_view name,
                                                const istio::security::Authorization& message) {
  Decoded<Policy> policy = DecodePolicy(message);
  std::optional<Refusal> refused;
  if (!policy.ok()) {
    refused = policy.error();
  } else {
    refused = WrongName("name", policy->key(), name);
  }
  if (!refused) {
    Put(*std::move(policy));
    return {};
  }
  // Named as the resource is: that is how it will be replaced or removed.
  if (std::optional<Policy> closed = MalformedPolicy(message, name)) Put(*std::move(closed));
  return *refused;
}

void Builder::PutUnreadablePolicy(std::string_view name) {
  std::optional<Policy> closed = MalformedPolicy(name);
  if (!closed) return;
  // It most likely still is for whom it was before.
  const auto* row = tables_.policies.Find(name);
  if (row != nullptr && row->value != nullptr) closed->scope = row->value->scope;
  Put(*std::move(closed));
}

// The two kinds share one space of names; uids have more slashes than "<namespace>/<hostname>".
void Builder::RemoveAddress(std::string_view name) {
  if (const WorkloadRef* row = tables_.by_uid.Find(name)) {
    const WorkloadRef workload = *row;
    NoteWorkloadChange(workload.get(), nullptr);
    UnindexWorkload(*workload);
    tables_.by_uid.Erase(workload->uid);
    return;
  }
  const std::optional<NamespacedHostname> key = NamespacedHostname::Parse(name);
  const ServiceRef service = key ? tables_.FindService(*key) : nullptr;
  if (service == nullptr) return;
  changed_ = true;
  UnindexService(*service);
  endpoint_changes_[*key];  // without a health policy all of them are kept until it comes back
}

SnapshotRef Builder::Build() {
  if (!changed_) return current_;
  ApplyEndpointChanges();
  changed_ = false;
  ++generation_;
  current_ = SnapshotRef(new Snapshot(tables_, generation_, policy_generation_, local_generation_));
  return current_;
}

}  // namespace aquifer::mesh
