// Values by host name, names with a wildcard as first label among them: the most specific name that
// covers a host wins (Gateway API, precedence of host names). Immutable once filled, any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace aquifer::waypoint {

// Calls `visit` with every value of `wildcards`, a map by ".example.com", that covers `host`, the
// longest name first, until it says that it has found something.
template <class Map, class Visit>
bool VisitWildcards(const Map& wildcards, std::string_view host, const Visit& visit) {
  if (wildcards.empty()) return false;
  // From the second label on: "*.example.com" does not cover "example.com".
  for (size_t dot = host.find('.', 1); dot != std::string_view::npos;
       dot = host.find('.', dot + 1)) {
    const auto found = wildcards.find(host.substr(dot));
    if (found != wildcards.end() && visit(found->second)) return true;
  }
  return false;
}

template <class T>
class HostMap {
 public:
  // `name` is lower case; empty: every host. Of two values for one name the first stays.
  void Put(std::string_view name, T value) {
    if (name.empty()) {
      if (!any_) any_ = std::move(value);
    } else if (name.starts_with("*.")) {
      wildcard_.try_emplace(std::string(name.substr(1)), std::move(value));
    } else {
      exact_.try_emplace(std::string(name), std::move(value));
    }
  }

  // `host` is lower case; empty: not known. Null: no name covers it.
  const T* Find(std::string_view host) const {
    const auto exact = exact_.find(host);
    if (exact != exact_.end()) return &exact->second;
    const T* found = nullptr;
    VisitWildcards(wildcard_, host, [&found](const T& value) {
      found = &value;
      return true;
    });
    return found == nullptr && any_ ? &*any_ : found;
  }

 private:
  absl::flat_hash_map<std::string, T> exact_;
  absl::flat_hash_map<std::string, T> wildcard_;  // by ".example.com"
  std::optional<T> any_;
};

}  // namespace aquifer::waypoint
