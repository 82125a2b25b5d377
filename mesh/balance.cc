#include "mesh/balance.h"

#include <vector>

namespace aquifer::mesh {
namespace {

bool SameScope(RoutingPreference scope, const Workload& client, const Workload& server) {
  switch (scope) {
    case RoutingPreference::kNetwork:
      return client.network == server.network;
    case RoutingPreference::kRegion:
      return client.locality.region == server.locality.region;
    case RoutingPreference::kZone:
      return client.locality.zone == server.locality.zone;
    case RoutingPreference::kSubzone:
      return client.locality.subzone == server.locality.subzone;
    case RoutingPreference::kNode:
      return client.node == server.node;
    case RoutingPreference::kCluster:
      return client.cluster_id == server.cluster_id;
  }
  return false;
}

// How many leading preferences hold. The network, when it comes first, outweighs all others
// together: any endpoint of the client's network goes before every other, and those of other
// networks are still ordered by the rest.
std::size_t Rank(const std::vector<RoutingPreference>& preferences, const Workload& client,
                 const Workload& server) {
  std::size_t rank = 0;
  for (std::size_t i = 0; i < preferences.size(); ++i) {
    const bool network_first = i == 0 && preferences[i] == RoutingPreference::kNetwork;
    if (SameScope(preferences[i], client, server)) {
      rank += network_first ? preferences.size() : 1;
    } else if (!network_first) {
      break;
    }
  }
  return rank;
}

bool MatchesAll(const std::vector<RoutingPreference>& preferences, const Workload& client,
                const Workload& server) {
  for (const RoutingPreference scope : preferences) {
    if (!SameScope(scope, client, server)) return false;
  }
  return true;
}

const Endpoint* ByCapacity(const std::vector<const Endpoint*>& candidates, const Random& random) {
  std::uint64_t total = 0;
  for (const Endpoint* endpoint : candidates) total += endpoint->workload->capacity;
  if (total == 0) return nullptr;
  std::uint64_t at = random() % total;
  for (const Endpoint* endpoint : candidates) {
    if (at < endpoint->workload->capacity) return endpoint;
    at -= endpoint->workload->capacity;
  }
  return nullptr;
}

}  // namespace

const Endpoint* ChooseEndpoint(const EndpointSet& endpoints, const Service& service,
                               const Workload* client, const Eligible& eligible,
                               const Random& random) {
  const LoadBalancerMode mode = client == nullptr ? LoadBalancerMode::kStandard : service.mode();
  if (mode == LoadBalancerMode::kStandard && endpoints.total_capacity() > 0) {
    // Nearly always the first throw hits one that will do, whatever the size of the service.
    const Endpoint& thrown = endpoints.OwnerOf(random() % endpoints.total_capacity());
    if (eligible(thrown)) return &thrown;
  }
  std::vector<const Endpoint*> candidates;
  std::size_t best = 0;
  for (const Endpoint& endpoint : endpoints.all()) {
    const Workload& server = *endpoint.workload;
    if (server.capacity == 0 || !eligible(endpoint)) continue;
    if (mode == LoadBalancerMode::kStrict &&
        !MatchesAll(service.load_balancer->preferences, *client, server))
      continue;
    if (mode == LoadBalancerMode::kFailover) {
      const std::size_t rank = Rank(service.load_balancer->preferences, *client, server);
      if (rank < best) continue;
      if (rank > best) candidates.clear();
      best = rank;
    }
    candidates.push_back(&endpoint);
  }
  return ByCapacity(candidates, random);
}

}  // namespace aquifer::mesh
