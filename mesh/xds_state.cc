#include "mesh/xds_state.h"

#include <algorithm>

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
constexpr std::size_t kMaxNamesARequest = 1000;
constexpr std::size_t kShownNameBytes = 64;  // of a name that is too long

std::string At(std::size_t index) { return "resources[" + std::to_string(index) + "]"; }

std::optional<Refusal> CheckName(std::string_view name, std::size_t index) {
  if (name.empty()) return Refusal{At(index), "has no name"};
  if (name.size() <= kMaxNameBytes) return std::nullopt;
  return Refusal{std::string(name.substr(0, kShownNameBytes)) + "...",
                 "has a name that is too long"};
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

XdsState::XdsState(std::vector<std::string> types, envoy::config::core::v3::Node node,
                   std::string on_demand, const WantedNames::Limits& limits)
    : node_(std::move(node)), wanted_(limits) {
  for (std::string& url : types) {
    Type& type = types_.emplace_back();
    type.on_demand = url == on_demand;
    // Nobody waits for what nobody has named.
    type.synced = type.on_demand;
    type.url = std::move(url);
  }
}

std::vector<DeltaDiscoveryRequest> XdsState::OnConnected() {
  std::vector<DeltaDiscoveryRequest> requests;
  for (const Type& type : types_) {
    DeltaDiscoveryRequest& request = requests.emplace_back();
    if (requests.size() == 1) *request.mutable_node() = node_;
    request.set_type_url(type.url);
    if (type.on_demand) {
      // The first request would mean all of them; a protocol without "none" takes this for it.
      request.add_resource_names_subscribe("*");
      request.add_resource_names_unsubscribe("*");
      wanted_.TellAllAgain();
    }
    auto& versions = *request.mutable_initial_resource_versions();
    type.versions.ForEach([&versions](std::string_view name, std::string_view version) {
      versions[std::string(name)] = std::string(version);
    });
  }
  return requests;
}

std::optional<DeltaDiscoveryRequest> XdsState::NextWanted() {
  const auto type =
      std::find_if(types_.begin(), types_.end(), [](const Type& each) { return each.on_demand; });
  if (type == types_.end() || !wanted_.changed()) return std::nullopt;
  WantedNames::Changes changes = wanted_.TakeChanges(kMaxNamesARequest);
  if (changes.empty()) return std::nullopt;
  DeltaDiscoveryRequest request;
  request.set_type_url(type->url);
  for (std::string& name : changes.subscribe) request.add_resource_names_subscribe(std::move(name));
  for (std::string& name : changes.unsubscribe)
    request.add_resource_names_unsubscribe(std::move(name));
  return request;
}

Decoded<XdsState::Outcome> XdsState::OnResponse(const DeltaDiscoveryResponse& response,
                                                XdsSink& sink) {
  AQ_TRY(Type* const type, Begin(response));
  Outcome outcome;
  sink.BeginResponse();
  for (int i = 0; i < response.resources_size(); ++i)
    Take(*type, ViewOf(response.resources(i)), static_cast<std::size_t>(i), sink, outcome);
  Finish(*type, response, sink, outcome);
  return outcome;
}

Decoded<XdsState::Outcome> XdsState::OnResponse(const SplitResponse& response, XdsSink& sink) {
  AQ_TRY(Type* const type, Begin(response.whole));
  Outcome outcome;
  sink.BeginResponse();
  type->versions.Expect(std::min(response.resources.size(), kMaxHeld));
  ResourceReader reader;
  for (std::size_t i = 0; i < response.resources.size(); ++i) {
    if (const ResourceView* const resource = reader.Read(response.resources[i])) {
      Take(*type, *resource, i, sink, outcome);
    } else {
      outcome.refused.push_back(Refusal{At(i), "is no Resource"});
    }
  }
  Finish(*type, response.whole, sink, outcome);
  return outcome;
}

Decoded<XdsState::Type*> XdsState::Begin(const DeltaDiscoveryResponse& response) {
  Type* const type = Find(response.type_url());
  if (type == nullptr)
    return Refusal{"type_url", "was not asked for: " + response.type_url().substr(0, 200)};
  if (response.nonce().size() > kMaxNonceBytes) return Refusal{"nonce", "is too long"};
  ++mark_;
  return type;
}

void XdsState::Take(Type& type, const ResourceView& resource, std::size_t index, XdsSink& sink,
                    Outcome& outcome) {
  // The first one has answered for both.
  const bool answers = type.on_demand && !type.versions.Marked(resource.name, mark_);
  std::optional<Refusal> wrong = Apply(type, resource, index, sink);
  if (answers) {
    const bool named = !CheckName(resource.name, index);
    outcome.answered |=
        wanted_.Take(named ? resource.name : std::string_view(), resource.aliases,
                     wrong ? WantedNames::Readable::kNo : WantedNames::Readable::kYes);
  }
  if (wrong) outcome.refused.push_back(*std::move(wrong));
}

// Why it was not taken, or nothing.
std::optional<Refusal> XdsState::Apply(Type& type, const ResourceView& resource, std::size_t index,
                                       XdsSink& sink) {
  HeldVersions& held = type.versions;
  const auto refuse = [&resource](std::string why) {
    return Refusal{std::string(resource.name), std::move(why)};
  };
  std::optional<Refusal> wrong = CheckName(resource.name, index);
  const bool named = !wrong;
  if (named && held.Marked(resource.name, mark_))
    wrong = refuse("is twice in the response; the first one counts");
  if (!wrong && resource.version.size() > kMaxVersionBytes)
    wrong = refuse("has a version that is too long");
  if (!wrong && resource.type_url != type.url)
    wrong = refuse("is of another type than its response");
  const bool room = held.size() < kMaxHeld || held.contains(resource.name);
  if (!wrong && !room) wrong = refuse("is one too many");
  if (!wrong) {
    const Result<void, Refusal> taken = sink.OnResource(type.url, resource.name, resource.value);
    if (!taken) wrong = refuse(taken.error().ToString());
  }
  if (!wrong) {
    held.Put(resource.name, resource.version, mark_);
    return std::nullopt;
  }
  // Without a version it comes again after a reconnect, and its removal is told too: an earlier
  // version of it may still be in force here, or a policy that stands in for it.
  if (named && room) held.Put(resource.name, {}, mark_);
  return wrong;
}

void XdsState::Finish(Type& type, const DeltaDiscoveryResponse& response, XdsSink& sink,
                      Outcome& outcome) {
  for (const std::string& name : response.removed_resources()) {
    type.versions.Erase(name);
    sink.OnRemoved(type.url, name);
    if (type.on_demand) outcome.answered |= wanted_.Remove(name);
  }
  sink.CommitResponse();
  type.synced = true;
  outcome.answer.set_type_url(type.url);
  outcome.answer.set_response_nonce(response.nonce());
  if (!outcome.refused.empty()) {
    outcome.answer.mutable_error_detail()->set_code(kInvalidArgument);
    outcome.answer.mutable_error_detail()->set_message(NackText(outcome.refused));
  }
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
