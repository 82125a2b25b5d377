// One of several, each as often as its weight says (Gateway API, BackendRef.weight). Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace aquifer::waypoint {

// Null if there is none, or none that has a weight.
template <class T>
const T* PickByWeight(const std::vector<T>& all, std::uint64_t random) {
  std::uint64_t total = 0;
  for (const T& one : all) total += one.weight;
  if (total == 0) return nullptr;
  std::uint64_t point = random % total;
  for (const T& one : all) {
    if (point < one.weight) return &one;
    point -= one.weight;
  }
  return nullptr;
}

}  // namespace aquifer::waypoint
