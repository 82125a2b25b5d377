#include "node-proxy/remote_sources.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "proxy/describe.h"

namespace aquifer::node {
namespace {

constexpr std::chrono::hours kForget(1);  // as metric series are

// Nothing that a name, a version or a zone would not have.
bool IsName(std::string_view text) {
  return text.size() <= RemoteSources::kMaxTextBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<mesh::WorkloadType> TypeOf(std::string_view name) {
  for (const mesh::WorkloadType type :
       {mesh::WorkloadType::kDeployment, mesh::WorkloadType::kCronJob, mesh::WorkloadType::kPod,
        mesh::WorkloadType::kJob}) {
    if (name == mesh::WorkloadTypeName(type)) return type;
  }
  return std::nullopt;
}

bool IsCredible(const certs::Identity& peer, const hbone::Baggage& said) {
  return said.ns == peer.ns &&
         (said.workload_type.empty() || TypeOf(said.workload_type).has_value()) &&
         IsName(said.cluster) && IsName(said.workload_name) && IsName(said.service_name) &&
         IsName(said.service_version) && IsName(said.region) && IsName(said.zone);
}

mesh::Workload Described(const certs::Identity& peer, const hbone::Baggage& said) {
  mesh::Workload workload = proxy::WorkloadOf(said, peer);
  workload.name.clear();  // the baggage names what the pod is of, and logs name pods
  workload.type = TypeOf(said.workload_type).value_or(mesh::WorkloadType::kDeployment);
  return workload;
}

}  // namespace

mesh::WorkloadRef RemoteSources::Find(const certs::Identity& peer, const hbone::Baggage& said,
                                      TimePoint now) {
  if (!IsCredible(peer, said)) return nullptr;
  mesh::Workload described = Described(peer, said);
  auto at = known_.find(peer);
  if (at == known_.end()) {
    if (known_.size() >= kMaxIdentities && !MakeRoom(now)) return nullptr;
    at = known_.emplace(peer, Known{.since = now, .descriptions = {}}).first;
  }
  Known& known = at->second;
  for (const mesh::WorkloadRef& each : known.descriptions) {
    if (*each == described) return each;
  }
  if (now - known.since >= kForget) known = Known{.since = now, .descriptions = {}};
  if (known.descriptions.size() >= kMaxDescriptions) return nullptr;
  known.descriptions.push_back(std::make_shared<const mesh::Workload>(std::move(described)));
  return known.descriptions.back();
}

bool RemoteSources::MakeRoom(TimePoint now) {
  absl::erase_if(known_, [now](const auto& each) { return now - each.second.since >= kForget; });
  return known_.size() < kMaxIdentities;
}

}  // namespace aquifer::node
