#include "control/deploy/inputs.h"

#include <algorithm>

namespace aquifer::control {
namespace {

// Gateways cannot be compared, but the API server counts the changes of their specs.
bool SameSpec(const Meta& a, const Meta& b) { return a.generation > 0 && a == b; }

// What is looked at of objects that may have a name which is wanted.
bool SameOwner(const Meta& a, const Meta& b) { return a.labels == b.labels; }

template <class T, class Same>
bool Alike(const ObjectMap<T>& a, const ObjectMap<T>& b, Same same) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const auto& one, const auto& other) {
                      return one.first == other.first && same(one.second.meta, other.second.meta);
                    });
}

}  // namespace

bool AsksForTheSame(const ObjectSet& a, const ObjectSet& b) {
  return Alike(a.gateways, b.gateways, SameSpec) &&
         Alike(a.gateway_classes, b.gateway_classes, SameSpec) &&
         Alike(a.services, b.services, SameOwner) &&
         Alike(a.service_accounts, b.service_accounts, SameOwner) &&
         Alike(a.namespaces, b.namespaces,
               [](const Meta& one, const Meta& other) { return one.deleting == other.deleting; });
}

}  // namespace aquifer::control
