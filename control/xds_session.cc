#include "control/xds_session.h"

#include <algorithm>
#include <utility>

namespace aquifer::control {
namespace {

constexpr std::string_view kWildcard = "*";

// Policies before what refers to them, so that no client ever knows a workload without the policies
// that bind it.
constexpr std::array<ResourceType, kResourceTypeCount> kOrder = {
    ResourceType::kAuthorization, ResourceType::kAuthorizationPolicy,
    ResourceType::kHttpRoute,     ResourceType::kL4Route,
    ResourceType::kGateway,       ResourceType::kAddress};

bool Within(const std::vector<std::string>& list, const std::set<std::string, std::less<>>& names) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& name) { return names.contains(name); });
}

}  // namespace

XdsSession::XdsSession(XdsAudience audience, TableRef table, XdsLimits limits)
    : audience_(std::move(audience)), limits_(limits), table_(std::move(table)) {}

Result<void, Refusal> XdsSession::Check(const Request& request, const Type& state) const {
  const auto subscribed = static_cast<size_t>(request.resource_names_subscribe_size());
  if (state.names.size() + subscribed > limits_.names)
    return Refusal{"resource_names_subscribe", "too many names"};
  if (request.initial_resource_versions().size() > limits_.versions) {
    return Refusal{"initial_resource_versions", "too many entries"};
  }
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name.empty() || name.size() > limits_.name_bytes)
      return Refusal{"resource_names_subscribe", "a name of bad length"};
  }
  return {};
}

Decoded<XdsSession::Outcome> XdsSession::OnRequest(const Request& request) {
  const auto type = TypeOfUrl(request.type_url());
  if (!type) return Outcome{std::nullopt, true};
  Type& state = StateOf(*type);
  if (auto checked = Check(request, state); !checked.ok()) return std::move(checked).error();
  Outcome outcome;
  // An answer to an older response, or to one of another stream, says nothing about the one that is
  // out.
  if (!state.nonce.empty() && request.response_nonce() == state.nonce) {
    state.nonce.clear();
    if (request.has_error_detail())
      outcome.rejection = Rejection{request.type_url(), request.error_detail().message()};
  }
  Subscribe(state, request);
  return outcome;
}

void XdsSession::Subscribe(Type& state, const Request& request) {
  const bool first = !std::exchange(state.asked, true);
  if (first) {
    state.wildcard = request.resource_names_subscribe_size() == 0;
    for (const auto& [name, version] : request.initial_resource_versions())
      state.held.emplace(name, version);
  }
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name == kWildcard) {
      // From named resources to all of them: what the client has by now is sent again, which does
      // no harm.
      if (!std::exchange(state.wildcard, true)) state.sent = nullptr;
    } else {
      state.names.insert(name);
      state.due.insert(name);
    }
  }
  for (const std::string& name : request.resource_names_unsubscribe()) {
    if (name == kWildcard) {
      state.wildcard = false;
    } else {
      state.names.erase(name);
      state.due.erase(name);
    }
  }
  if (!first || state.wildcard) return;
  // A client that names its resources need not repeat those it still has from the stream before.
  for (const auto& [name, version] : state.held) {
    if (state.names.size() < limits_.names) state.names.insert(name);
  }
}

bool XdsSession::Visible(ResourceType type, const std::string& name,
                         const Resource& resource) const {
  if (resource.restricted) {
    const auto& gateways = resource.gateways;
    if (std::find(gateways.begin(), gateways.end(), audience_.gateway) == gateways.end())
      return false;
  }
  const Type& state = types_[static_cast<size_t>(type)];
  if (state.wildcard || state.names.contains(name)) return true;
  if (!audience_.node.empty() && resource.node == audience_.node) return true;
  return Within(resource.aliases, state.names) || Within(resource.brought_by, state.names);
}

void XdsSession::Add(ResourceType type, const std::string& name, Changes& changes) const {
  const auto found = table_->Of(type).find(name);
  if (found != table_->Of(type).end() && Visible(type, name, *found->second))
    changes.resources.emplace(name, found->second);
}

// What a name stands for now; a name that stands for nothing is answered as removed, so that the
// client need not wait.
void XdsSession::AddNamed(ResourceType type, const std::string& name, Changes& changes) const {
  bool any = false;
  for (const std::string& resource : table_->Resolve(type, name)) {
    Add(type, resource, changes);
    any = any || changes.resources.contains(resource);
  }
  if (!any) changes.removed.insert(name);
}

void XdsSession::AddFirst(ResourceType type, Changes& changes) const {
  const Type& state = types_[static_cast<size_t>(type)];
  if (state.wildcard) {
    for (const auto& [name, resource] : table_->Of(type)) Add(type, name, changes);
  } else {
    for (const std::string& name : state.names) AddNamed(type, name, changes);
    for (const std::string& name : table_->OfNode(type, audience_.node)) Add(type, name, changes);
  }
  for (const auto& [name, version] : state.held) {
    const auto found = changes.resources.find(name);
    if (found == changes.resources.end()) {
      changes.removed.insert(name);
    } else if (found->second->version == version) {
      changes.resources.erase(found);
    }
  }
}

void XdsSession::AddChange(ResourceType type, const std::string& name, Changes& changes) const {
  const Resource* before = types_[static_cast<size_t>(type)].sent->Find(type, name);
  const Resource* after = table_->Find(type, name);
  const bool had = before != nullptr && Visible(type, name, *before);
  const bool has = after != nullptr && Visible(type, name, *after);
  if (had && !has) changes.removed.insert(name);
  if (has && (!had || before->version != after->version)) Add(type, name, changes);
}

// Since the table that the client has: by the list of changes if that is the one before, else by
// walking both tables side by side.
void XdsSession::AddChanged(ResourceType type, Changes& changes) const {
  const ResourceTable& sent = *types_[static_cast<size_t>(type)].sent;
  if (sent.serial() + 1 == table_->serial()) {
    for (const std::string& name : table_->ChangedSincePrevious(type))
      AddChange(type, name, changes);
    return;
  }
  for (const auto& [name, resource] : sent.Of(type)) {
    const auto now = table_->Of(type).find(name);
    if (now == table_->Of(type).end() || now->second != resource) AddChange(type, name, changes);
  }
  for (const auto& [name, resource] : table_->Of(type)) {
    if (sent.Find(type, name) == nullptr) AddChange(type, name, changes);
  }
}

std::optional<XdsSession::Response> XdsSession::Respond(ResourceType type) {
  Type& state = StateOf(type);
  if (!state.asked || !state.nonce.empty()) return std::nullopt;
  const bool first = state.sent == nullptr;
  if (!first && state.sent == table_ && state.due.empty()) return std::nullopt;
  Changes changes;
  if (first) {
    AddFirst(type, changes);
  } else {
    if (state.sent != table_) AddChanged(type, changes);
    for (const std::string& name : state.due) AddNamed(type, name, changes);
  }
  const bool owed = first || !state.due.empty();
  state.sent = table_;
  state.due.clear();
  state.held.clear();
  if (!owed && changes.resources.empty() && changes.removed.empty()) return std::nullopt;
  Response response;
  response.set_type_url(std::string(TypeUrl(type)));
  response.set_system_version_info(std::to_string(table_->serial()));
  state.nonce = std::to_string(++last_nonce_);
  response.set_nonce(state.nonce);
  for (const auto& [name, ref] : changes.resources) {
    auto& resource = *response.add_resources();
    resource.set_name(name);
    resource.set_version(ref->version);
    for (const std::string& alias : ref->aliases) resource.add_aliases(alias);
    resource.mutable_resource()->set_type_url(std::string(TypeUrl(type)));
    resource.mutable_resource()->set_value(ref->bytes);
  }
  for (const std::string& name : changes.removed) response.add_removed_resources(name);
  return response;
}

std::optional<XdsSession::Response> XdsSession::Next() {
  for (const ResourceType type : kOrder) {
    if (auto response = Respond(type)) return response;
  }
  return std::nullopt;
}

}  // namespace aquifer::control
