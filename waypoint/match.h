// HTTPRoute matching: whether one match fits a request (HTTPRouteMatch of the Gateway API), and the
// table that finds the rule that wins over all rules of all routes that apply. Precedence: exact
// path, longest prefix, longest regular expression; then a method, more headers, more query
// parameters, the oldest route, its name, the first rule, the first match. Pure, immutable once
// built, any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <string>
#include <vector>

#include "waypoint/config_model.h"
#include "waypoint/request_view.h"

namespace aquifer::waypoint {

using RoutePtr = std::shared_ptr<const HttpRoute>;

// Headers, query parameters and method. Header names in either case, a repeated header as one value
// joined by ','; query names and values as they were sent, the first of a name counts.
bool MatchesBesidesPath(const RouteMatch& match, const RequestView& request);
bool MatchesPath(const PathMatch& match, std::string_view path);

// What was found. Points into the routes of the table.
struct Matched {
  const HttpRoute* route = nullptr;
  const RouteRule* rule = nullptr;
  const RouteMatch* match = nullptr;
};

class RouteTable {
 public:
  RouteTable() = default;
  // The routes that apply to the same requests, hosts aside.
  explicit RouteTable(const std::vector<RoutePtr>& routes);

  // `rule` is null if nothing matches. Costs one look-up for each segment of the path.
  Matched Find(const RequestView& request) const;
  bool empty() const { return entries_.empty(); }

 private:
  using Indexes = std::vector<std::uint32_t>;  // into entries_, the winner first

  Matched FirstOf(const Indexes& candidates, const RequestView& request) const;

  std::vector<RoutePtr> routes_;  // kept alive for entries_
  std::vector<Matched> entries_;
  absl::flat_hash_map<std::string, Indexes> exact_;
  absl::flat_hash_map<std::string, Indexes> prefix_;  // without the slash at the end
  Indexes regex_;                                     // longer patterns first
};

}  // namespace aquifer::waypoint
