// The resources that the control plane serves, by type and name, at one moment. A table is built
// from a finished set of resources and the table before it: what did not change is shared, so that
// two tables compare by pointers, and the names that did change are at hand. Immutable once built;
// any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aquifer::control {

enum class ResourceType : std::uint8_t {
  kAddress,
  kAuthorization,
  kGateway,
  kHttpRoute,
  kL4Route,
  kAuthorizationPolicy
};
inline constexpr size_t kResourceTypeCount = 6;

std::string_view TypeUrl(ResourceType type);
std::optional<ResourceType> TypeOfUrl(std::string_view type_url);

struct Resource {
  std::string bytes;                    // the message, serialized deterministically
  std::string version;                  // a hash of `bytes`: the same after a restart
  std::vector<std::string> aliases;     // other names of it: "<network>/<ip>"
  std::vector<std::string> brought_by;  // names and aliases of resources that bring this one along:
                                        // a service brings its endpoints
  std::string node;                     // a client of that node gets it unasked
  bool restricted = false;              // only for `gateways`
  std::vector<std::string> gateways;    // "<namespace>/<name>"

  friend bool operator==(const Resource&, const Resource&) = default;
};

// Hex, 32 digits, of SHA-256.
std::string ContentVersion(std::string_view bytes);

using ResourceRef = std::shared_ptr<const Resource>;
using ResourceMap = std::map<std::string, ResourceRef, std::less<>>;

// What is to be in the next table.
struct ResourceDraft {
  std::array<std::map<std::string, Resource>, kResourceTypeCount> types;

  std::map<std::string, Resource>& Of(ResourceType type) {
    return types[static_cast<size_t>(type)];
  }
};

class ResourceTable {
 public:
  // The table of a control plane that knows nothing yet.
  ResourceTable() = default;
  static std::shared_ptr<const ResourceTable> Build(ResourceDraft draft,
                                                    const ResourceTable& previous);

  const ResourceMap& Of(ResourceType type) const {
    return types_[static_cast<size_t>(type)].resources;
  }
  const Resource* Find(ResourceType type, std::string_view name) const;
  // Names of the resources that a client means by `name`: that one, those with the alias, and those
  // they bring along.
  std::vector<std::string> Resolve(ResourceType type, std::string_view name) const;
  // Names of the resources of one node.
  std::vector<std::string> OfNode(ResourceType type, std::string_view node) const;

  // Tables are numbered; the first has 0.
  std::uint64_t serial() const { return serial_; }
  // Names that were added, removed or altered since the table before.
  const std::vector<std::string>& ChangedSincePrevious(ResourceType type) const {
    return types_[static_cast<size_t>(type)].changed;
  }

 private:
  struct Type {
    ResourceMap resources;
    std::map<std::string, std::vector<std::string>, std::less<>>
        by_alias;  // aliases and brought_by
    std::map<std::string, std::vector<std::string>, std::less<>> by_node;
    std::vector<std::string> changed;
  };

  static Type BuildType(std::map<std::string, Resource> draft, const Type& previous);

  std::array<Type, kResourceTypeCount> types_;
  std::uint64_t serial_ = 0;
};

}  // namespace aquifer::control
