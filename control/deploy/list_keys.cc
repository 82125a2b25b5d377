#include "control/deploy/list_keys.h"

#include <algorithm>
#include <array>

namespace aquifer::control {
namespace {

struct ListKey {
  std::string_view field;
  std::array<std::string_view, 2> keys;  // the second one counts where both elements state it
};

// patchMergeKey of the API types' fields that a Gateway's objects may have. A name stands for all
// lists of that name; of "ports" there are two kinds.
constexpr std::array<ListKey, 14> kKeys = {{
    {"containers", {"name"}},
    {"env", {"name"}},
    {"ephemeralContainers", {"name"}},
    {"hostAliases", {"ip"}},
    {"imagePullSecrets", {"name"}},
    {"initContainers", {"name"}},
    {"ownerReferences", {"uid"}},
    {"ports", {"containerPort", "protocol"}},
    {"ports", {"port", "protocol"}},
    {"resourceClaims", {"name"}},
    {"topologySpreadConstraints", {"topologyKey", "whenUnsatisfiable"}},
    {"volumeDevices", {"devicePath"}},
    {"volumeMounts", {"mountPath"}},
    {"volumes", {"name"}},
}};

const Json* Find(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

bool IsKeyed(std::string_view field) {
  return std::any_of(kKeys.begin(), kKeys.end(),
                     [&](const ListKey& key) { return key.field == field; });
}

bool IsSameElement(std::string_view field, const Json& a, const Json& b) {
  if (!a.is_object() || !b.is_object()) return false;
  for (const ListKey& row : kKeys) {
    if (row.field != field) continue;
    const Json* of_a = Find(a, row.keys[0]);
    const Json* of_b = Find(b, row.keys[0]);
    if (of_a == nullptr || of_b == nullptr) continue;
    if (*of_a != *of_b) return false;
    of_a = row.keys[1].empty() ? nullptr : Find(a, row.keys[1]);
    of_b = row.keys[1].empty() ? nullptr : Find(b, row.keys[1]);
    return of_a == nullptr || of_b == nullptr || *of_a == *of_b;
  }
  return false;
}

const Json* FindElement(std::string_view field, const Json& list, const Json& element) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Json& other) {
    return IsSameElement(field, element, other);
  });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace aquifer::control
