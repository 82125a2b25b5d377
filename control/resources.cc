#include "control/resources.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

namespace aquifer::control {
namespace {

constexpr std::array<std::string_view, kResourceTypeCount> kTypeUrls = {
    "type.googleapis.com/istio.workload.Address",
    "type.googleapis.com/istio.security.Authorization",
    "type.googleapis.com/aquifer.mesh.v1.Gateway",
    "type.googleapis.com/aquifer.mesh.v1.HttpRoute",
    "type.googleapis.com/aquifer.mesh.v1.L4Route",
    "type.googleapis.com/aquifer.mesh.v1.AuthorizationPolicy",
};

// Resources come in the order of their names, so only the last one can be the same.
void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (names.empty() || names.back() != name) names.push_back(name);
}

}  // namespace

std::string_view TypeUrl(ResourceType type) { return kTypeUrls[static_cast<size_t>(type)]; }

std::optional<ResourceType> TypeOfUrl(std::string_view type_url) {
  const auto found = std::find(kTypeUrls.begin(), kTypeUrls.end(), type_url);
  if (found == kTypeUrls.end()) return std::nullopt;
  return static_cast<ResourceType>(found - kTypeUrls.begin());
}

std::string ContentVersion(std::string_view bytes) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), digest.data());
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (size_t i = 0; i < digest.size() / 2; ++i) {
    hex.push_back(kDigits[digest[i] >> 4]);
    hex.push_back(kDigits[digest[i] & 15]);
  }
  return hex;
}

ResourceTable::Type ResourceTable::BuildType(std::map<std::string, Resource> draft,
                                             const Type& previous) {
  Type type;
  for (auto& [name, resource] : draft) {
    const auto old = previous.resources.find(name);
    const bool same = old != previous.resources.end() && *old->second == resource;
    ResourceRef ref = same ? old->second : std::make_shared<const Resource>(std::move(resource));
    if (!same) type.changed.push_back(name);
    for (const std::string& alias : ref->aliases) AddOnce(type.by_alias[alias], name);
    for (const std::string& alias : ref->brought_by) AddOnce(type.by_alias[alias], name);
    if (!ref->node.empty()) type.by_node[ref->node].push_back(name);
    type.resources.emplace_hint(type.resources.end(), name, std::move(ref));
  }
  for (const auto& [name, resource] : previous.resources) {
    if (!type.resources.contains(name)) type.changed.push_back(name);
  }
  return type;
}

std::shared_ptr<const ResourceTable> ResourceTable::Build(ResourceDraft draft,
                                                          const ResourceTable& previous) {
  auto table = std::make_shared<ResourceTable>();
  table->serial_ = previous.serial_ + 1;
  for (size_t i = 0; i < kResourceTypeCount; ++i) {
    table->types_[i] = BuildType(std::move(draft.types[i]), previous.types_[i]);
  }
  return table;
}

const Resource* ResourceTable::Find(ResourceType type, std::string_view name) const {
  const ResourceMap& resources = Of(type);
  const auto found = resources.find(name);
  return found == resources.end() ? nullptr : found->second.get();
}

std::vector<std::string> ResourceTable::Resolve(ResourceType type, std::string_view name) const {
  std::vector<std::string> names;
  if (Find(type, name) != nullptr) names.emplace_back(name);
  const auto& by_alias = types_[static_cast<size_t>(type)].by_alias;
  const auto found = by_alias.find(name);
  if (found != by_alias.end())
    names.insert(names.end(), found->second.begin(), found->second.end());
  return names;
}

std::vector<std::string> ResourceTable::OfNode(ResourceType type, std::string_view node) const {
  const auto& by_node = types_[static_cast<size_t>(type)].by_node;
  const auto found = by_node.find(node);
  return found == by_node.end() ? std::vector<std::string>() : found->second;
}

}  // namespace aquifer::control
