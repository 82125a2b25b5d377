#include "waypoint/match.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <tuple>

#include "core/http/header.h"

namespace aquifer::waypoint {
namespace {

// "/v2/" means the same prefix as "/v2"; "/" is the empty one.
std::string_view PrefixKey(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

// All lines of a header as one value, without a copy when there is one line. Nothing if absent.
std::optional<std::string_view> JoinedHeader(const http::HeaderList& headers, std::string_view name,
                                             std::string& storage) {
  if (headers.Count(name) < 2) return headers.Get(name);
  for (const http::HeaderField field : headers) {
    if (field.name != name) continue;
    if (!storage.empty()) storage += ',';
    storage += field.value;
  }
  return storage;
}

bool MatchesHeader(const ValueMatch& match, const RequestView& request) {
  if (const auto pseudo = PseudoHeader(request, match.name)) return match.Matches(*pseudo);
  std::string storage;
  const auto value = JoinedHeader(*request.headers, match.name, storage);
  return value && match.Matches(*value);
}

std::optional<std::string_view> QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return pair.substr(std::min(equals + 1, pair.size()));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

bool MatchesQuery(const ValueMatch& match, std::string_view query) {
  const std::optional<std::string_view> value = QueryValue(query, match.name);
  return value && match.Matches(*value);
}

// Everything but the path and the place in the route, smaller wins.
auto Rank(const Matched& entry) {
  return std::make_tuple(entry.match->method.empty() ? 1 : 0,
                         -static_cast<int>(entry.match->headers.size()),
                         -static_cast<int>(entry.match->query_params.size()),
                         entry.route->creation_seconds, std::cref(entry.route->name));
}

}  // namespace

bool MatchesBesidesPath(const RouteMatch& match, const RequestView& request) {
  if (!match.method.empty() && match.method != request.method) return false;
  for (const ValueMatch& header : match.headers) {
    if (!MatchesHeader(header, request)) return false;
  }
  for (const ValueMatch& parameter : match.query_params) {
    if (!MatchesQuery(parameter, request.query)) return false;
  }
  return true;
}

bool MatchesPath(const PathMatch& match, std::string_view path) {
  switch (match.type) {
    case PathMatch::Type::kExact:
      return path == match.value;
    case PathMatch::Type::kPrefix: {
      const std::string_view prefix = PrefixKey(match.value);
      return path.starts_with(prefix) &&
             (path.size() == prefix.size() || path[prefix.size()] == '/');
    }
    case PathMatch::Type::kRegex:
      return match.regex->Matches(path);
  }
  return false;
}

RouteTable::RouteTable(const std::vector<RoutePtr>& routes) : routes_(routes) {
  for (const RoutePtr& route : routes_) {
    for (const RouteRule& rule : route->rules) {
      for (const RouteMatch& match : rule.matches) entries_.push_back({route.get(), &rule, &match});
    }
  }
  Indexes order(entries_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return std::make_tuple(Rank(entries_[a]), a) < std::make_tuple(Rank(entries_[b]), b);
  });
  for (const std::uint32_t index : order) {
    const PathMatch& path = entries_[index].match->path;
    switch (path.type) {
      case PathMatch::Type::kExact:
        exact_[path.value].push_back(index);
        break;
      case PathMatch::Type::kPrefix:
        prefix_[PrefixKey(path.value)].push_back(index);
        break;
      case PathMatch::Type::kRegex:
        regex_.push_back(index);
        break;
    }
  }
  // Longer patterns first, in the order they have among their like.
  std::vector<std::pair<size_t, std::uint32_t>> by_length;
  for (const std::uint32_t index : regex_) {
    by_length.emplace_back(mesh::kMaxRegexBytes - entries_[index].match->path.value.size(),
                           by_length.size());
  }
  std::sort(by_length.begin(), by_length.end());
  Indexes sorted;
  for (const auto& [length, position] : by_length) sorted.push_back(regex_[position]);
  regex_ = std::move(sorted);
}

Matched RouteTable::FirstOf(const Indexes& candidates, const RequestView& request) const {
  for (const std::uint32_t index : candidates) {
    if (MatchesBesidesPath(*entries_[index].match, request)) return entries_[index];
  }
  return {};
}

Matched RouteTable::Find(const RequestView& request) const {
  const auto exact = exact_.find(request.path);
  if (exact != exact_.end()) {
    const Matched found = FirstOf(exact->second, request);
    if (found.rule != nullptr) return found;
  }
  // Every prefix that ends before a slash or at the end, longest first.
  for (size_t end = prefix_.empty() ? std::string_view::npos : request.path.size();
       end != std::string_view::npos;
       end = end == 0 ? std::string_view::npos : request.path.rfind('/', end - 1)) {
    const auto prefix = prefix_.find(request.path.substr(0, end));
    if (prefix == prefix_.end()) continue;
    const Matched found = FirstOf(prefix->second, request);
    if (found.rule != nullptr) return found;
  }
  for (const std::uint32_t index : regex_) {
    const Matched& entry = entries_[index];
    if (entry.match->path.regex->Matches(request.path) &&
        MatchesBesidesPath(*entry.match, request)) {
      return entry;
    }
  }
  return {};
}

}  // namespace aquifer::waypoint
