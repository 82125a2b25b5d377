#include "mesh/endpoints.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace aquifer::mesh {

EndpointSet::EndpointSet(std::vector<Endpoint> endpoints) : endpoints_(std::move(endpoints)) {
  ends_.reserve(endpoints_.size());
  std::uint64_t end = 0;
  for (const Endpoint& endpoint : endpoints_) {
    end += endpoint.workload->capacity;
    ends_.push_back(end);
  }
}

const Endpoint* EndpointSet::Find(std::string_view uid) const {
  const auto at = std::lower_bound(
      endpoints_.begin(), endpoints_.end(), uid,
      [](const Endpoint& e, std::string_view wanted) { return e.workload->uid < wanted; });
  return at != endpoints_.end() && at->workload->uid == uid ? &*at : nullptr;
}

const Endpoint& EndpointSet::OwnerOf(std::uint64_t point) const {
  AQ_CHECK(point < total_capacity());
  const auto at = std::upper_bound(ends_.begin(), ends_.end(), point);
  return endpoints_[static_cast<size_t>(at - ends_.begin())];
}

}  // namespace aquifer::mesh
