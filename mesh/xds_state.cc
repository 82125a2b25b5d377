#include "mesh/xds_state.h"

#include <algorithm>

#include <absl/container/flat_hash_set.h>

namespace aquifer::mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// Far above any mesh; a control plane gone wild must not take our memory.
constexpr std::size_t kMaxHeld = 4'000'000;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxVersionBytes = 1024;
constexpr std::size_t kMaxNonceBytes = 1024;
constexpr std::size_t kMaxNackBytes = 8192;
constexpr std::size_t kShownNameBytes = 64;  // of a name that is too long

std::optional<Refusal> CheckName(const std::string& name, std::size_t index) {
  if (name.empty()) return Refusal{"resources[" + std::to_string(index) + "]", "has no name"};
  if (name.size() <= kMaxNameBytes) return std::nullopt;
  return Refusal{name.substr(0, kShownNameBytes) + "...", "has a name that is too long"};
}

std::string NackText(const std::vector<Refusal>& refused) {
  std::string text;
  for (const Refusal& refusal : refused) {
    if (!text.empty()) text += "; ";
    text += refusal.ToString();
    if (text.size() > kMaxNackBytes) return text.substr(0, kMaxNackBytes) + " ...";
  }
  return text;
}

}  // namespace

XdsState::XdsState(std::vector<std::string> types, envoy::config::core::v3::Node node)
    : node_(std::move(node)) {
  for (std::string& url : types)
    types_.push_back(Type{.url = std::move(url), .synced = false, .versions = {}});
}

std::vector<DeltaDiscoveryRequest> XdsState::OnConnected() {
  std::vector<DeltaDiscoveryRequest> requests;
  for (const Type& type : types_) {
    DeltaDiscoveryRequest& request = requests.emplace_back();
    if (requests.size() == 1) *request.mutable_node() = node_;
    request.set_type_url(type.url);
    for (const auto& [name, version] : type.versions)
      (*request.mutable_initial_resource_versions())[name] = version;
  }
  return requests;
}

Decoded<XdsState::Outcome> XdsState::OnResponse(const DeltaDiscoveryResponse& response,
                                                XdsSink& sink) {
  Type* const type = Find(response.type_url());
  if (type == nullptr)
    return Refusal{"type_url", "was not asked for: " + response.type_url().substr(0, 200)};
  if (response.nonce().size() > kMaxNonceBytes) return Refusal{"nonce", "is too long"};
  Outcome outcome;
  absl::flat_hash_set<std::string_view> names;
  sink.BeginResponse();
  for (int i = 0; i < response.resources_size(); ++i) {
    const auto& resource = response.resources(i);
    std::optional<Refusal> wrong = CheckName(resource.name(), static_cast<std::size_t>(i));
    const bool named = !wrong;
    if (named && !names.insert(resource.name()).second)
      wrong = Refusal{resource.name(), "is twice in the response; the first one counts"};
    if (!wrong && resource.version().size() > kMaxVersionBytes)
      wrong = Refusal{resource.name(), "has a version that is too long"};
    if (!wrong && resource.resource().type_url() != type->url)
      wrong = Refusal{resource.name(), "is of another type than its response"};
    if (!wrong && type->versions.size() >= kMaxHeld && !type->versions.contains(resource.name())) {
      wrong = Refusal{resource.name(), "is one too many"};
    }
    if (!wrong) {
      const Result<void, Refusal> taken =
          sink.OnResource(type->url, resource.name(), resource.resource().value());
      if (!taken) wrong = Refusal{resource.name(), taken.error().ToString()};
    }
    if (!wrong) {
      type->versions[resource.name()] = resource.version();
      continue;
    }
    // Without a version it comes again after a reconnect, and its removal is told too: an earlier
    // version of it may still be in force here, or a policy that stands in for it.
    if (named && (type->versions.size() < kMaxHeld || type->versions.contains(resource.name()))) {
      type->versions[resource.name()].clear();
    }
    outcome.refused.push_back(*std::move(wrong));
  }
  for (const std::string& name : response.removed_resources()) {
    type->versions.erase(name);
    sink.OnRemoved(type->url, name);
  }
  sink.CommitResponse();
  type->synced = true;
  outcome.answer.set_type_url(type->url);
  outcome.answer.set_response_nonce(response.nonce());
  if (!outcome.refused.empty()) {
    outcome.answer.mutable_error_detail()->set_code(kInvalidArgument);
    outcome.answer.mutable_error_detail()->set_message(NackText(outcome.refused));
  }
  return outcome;
}

bool XdsState::synced() const {
  return std::all_of(types_.begin(), types_.end(), [](const Type& type) { return type.synced; });
}

std::vector<std::string> XdsState::Pending() const {
  std::vector<std::string> pending;
  for (const Type& type : types_) {
    if (!type.synced) pending.push_back(type.url);
  }
  return pending;
}

std::size_t XdsState::held(std::string_view type_url) const {
  for (const Type& type : types_) {
    if (type.url == type_url) return type.versions.size();
  }
  return 0;
}

XdsState::Type* XdsState::Find(std::string_view url) {
  for (Type& type : types_) {
    if (type.url == url) return &type;
  }
  return nullptr;
}

}  // namespace aquifer::mesh
