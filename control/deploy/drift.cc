#include "control/deploy/drift.h"

#include "control/deploy/list_keys.h"

namespace aquifer::control {
namespace {

Json Project(std::string_view field, const Json& applied, const Json& live);

Json ProjectMapping(const Json& applied, const Json& live) {
  Json seen = Json::object();
  for (const auto& [key, value] : applied.items()) {
    const auto found = live.find(key);
    if (found != live.end()) seen[key] = Project(key, value, *found);
  }
  return seen;
}

Json ProjectKeyedList(std::string_view field, const Json& applied, const Json& live) {
  Json seen = Json::array();
  for (const Json& element : applied) {
    const Json* found = FindElement(field, live, element);
    seen.push_back(found == nullptr ? Json() : Project("", element, *found));
  }
  return seen;
}

// In lists that are replaced as a whole the API server fills in defaults all the same.
Json ProjectList(const Json& applied, const Json& live) {
  if (applied.size() != live.size()) return live;
  Json seen = Json::array();
  for (size_t i = 0; i < applied.size(); ++i) seen.push_back(Project("", applied[i], live[i]));
  return seen;
}

Json Project(std::string_view field, const Json& applied, const Json& live) {
  if (applied.is_object() && live.is_object()) return ProjectMapping(applied, live);
  if (!applied.is_array() || !live.is_array()) return live;
  return IsKeyed(field) ? ProjectKeyedList(field, applied, live) : ProjectList(applied, live);
}

}  // namespace

Json ProjectOnto(const Json& applied, const Json& live) { return Project("", applied, live); }

}  // namespace aquifer::control
