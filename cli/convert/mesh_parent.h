// Routes whose parent is {kind: Mesh}, which came before a route could name the Service that it is
// for: their host names become the Services, or ServiceEntries, that they name. Pure; any thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "cli/convert/alpha1.h"

namespace aquifer::cli {

// What the input has beside a route, by namespace and name.
struct MeshNeighbours {
  std::set<std::pair<std::string, std::string>> services;
  std::map<std::string, std::pair<std::string, std::string>> entries;  // by a host of theirs

  // Of objects that name no namespace: `name_space`.
  void Add(const OrderedJson& object, const std::string& name_space);
};

bool HasMeshParent(const OrderedJson& route);

// Of a route that has one. A route that has Gateways for parents, too, becomes two.
Decoded<Rewritten> RewriteMeshParent(OrderedJson route, const std::string& name_space,
                                     const MeshNeighbours& neighbours);

}  // namespace aquifer::cli
