#include "cli/convert/alpha1_rule.h"

#include <utility>

namespace aquifer::cli {
namespace {

using Done = Result<void, Refusal>;

// A mapping of names to values as the list of v1: [{name, value}], each with `type` in front where
// there is one.
OrderedJson Listed(const OrderedJson& values, const std::string& type) {
  OrderedJson list = OrderedJson::array();
  for (const auto& [name, value] : values.items()) {
    OrderedJson item = OrderedJson::object();
    if (!type.empty()) item["type"] = type;
    item["name"] = name;
    item["value"] = value;
    list.push_back(std::move(item));
  }
  return list;
}

// headers or queryParams of a match: {type, values: {...}}.
Done MendValues(OrderedJson& match, std::string_view key, const std::string& path) {
  OrderedJson* given = Find(&match, key);
  if (given == nullptr || !given->is_object()) return {};
  const std::string type = TextOf(given, "type");
  if (!type.empty() && type != "Exact" && type != "RegularExpression")
    return Refusal{path + "." + std::string(key) + ".type", "has no successor: " + type};
  const OrderedJson* values = Find(given, "values");
  if (values == nullptr || !values->is_object())
    return Refusal{path + "." + std::string(key) + ".values", "is no mapping"};
  OrderedJson list = Listed(*values, type);
  *given = std::move(list);
  return {};
}

Done MendMatch(OrderedJson& match, const std::string& path) {
  if (Find(&match, "extensionRef") != nullptr)
    return Refusal{path + ".extensionRef", "has no successor"};
  if (OrderedJson* given = Find(&match, "path"); given != nullptr && given->is_object()) {
    const std::string type = TextOf(given, "type");
    if (type == "ImplementationSpecific")
      return Refusal{path + ".path.type", "has no successor: " + type};
    if (type == "Prefix") (*given)["type"] = "PathPrefix";
  }
  Done done = MendValues(match, "headers", path);
  return done.ok() ? MendValues(match, "queryParams", path) : done;
}

// {serviceName, backendRef: {group, kind, name}, port, ...} as {group, kind, name, port, ...}.
void MendBackend(OrderedJson& backend) {
  Rename(backend, "serviceName", "name");
  const std::optional<OrderedJson> reference = Take(backend, "backendRef");
  // One that names both meant the Service.
  if (!reference || !reference->is_object() || Find(&backend, "name") != nullptr) return;
  OrderedJson merged = *reference;
  MendGroup(merged);
  for (auto& [key, value] : backend.items()) merged[key] = value;
  backend = std::move(merged);
}

void MendFilters(OrderedJson& owner) {
  for (OrderedJson* filter : ObjectsOf(&owner, "filters")) {
    if (OrderedJson* modifier = Find(filter, "requestHeaderModifier")) {
      for (const char* key : {"set", "add"}) {
        OrderedJson* values = Find(modifier, key);
        if (values != nullptr && values->is_object()) *values = Listed(*values, "");
      }
    }
    OrderedJson* mirror = Find(filter, "requestMirror");
    if (mirror == nullptr || !mirror->is_object()) continue;
    OrderedJson backend = *mirror;
    MendBackend(backend);
    *mirror = OrderedJson::object();
    (*mirror)["backendRef"] = std::move(backend);
  }
}

}  // namespace

void MendGroup(OrderedJson& reference) {
  if (TextOf(&reference, "group") == "core") reference["group"] = "";
}

Result<void, Refusal> MendRule(OrderedJson& rule, const std::string& kind, const std::string& path,
                               std::vector<std::string>& remarks) {
  const auto matches = ObjectsOf(&rule, "matches");
  for (size_t i = 0; i < matches.size() && kind != "TLSRoute"; ++i) {
    Done done = MendMatch(*matches[i], path + ".matches[" + std::to_string(i) + "]");
    if (!done.ok()) return done;
  }
  // Of TCP and UDP there was nothing to match but by extensions.
  if (kind == "TCPRoute" || kind == "UDPRoute") Take(rule, "matches");
  MendFilters(rule);
  if (Rename(rule, "forwardTo", "backendRefs")) {
    for (OrderedJson* backend : ObjectsOf(&rule, "backendRefs")) {
      MendBackend(*backend);
      MendFilters(*backend);
      if (kind != "HTTPRoute" && Take(*backend, "filters"))
        remarks.push_back("filters of " + path + " are left out, a " + kind + " has none");
    }
  }
  return {};
}

}  // namespace aquifer::cli
