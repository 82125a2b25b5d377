#include "control/reconcile/status.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace aquifer::control {
namespace {

using nlohmann::json;

json ConditionsJson(const std::vector<Condition>& conditions, std::int64_t generation) {
  json list = json::array();
  for (const Condition& condition : conditions) {
    list.push_back({{"type", condition.type},
                    {"status", condition.status ? "True" : "False"},
                    {"reason", condition.reason},
                    {"message", condition.message},
                    {"observedGeneration", generation}});
  }
  return list;
}

json ListenersJson(const ObjectStatus& status) {
  json list = json::array();
  for (const ListenerStatus& listener : status.listeners) {
    list.push_back({{"name", listener.name},
                    {"attachedRoutes", listener.attached_routes},
                    {"supportedKinds", listener.supported_kinds},
                    {"conditions", ConditionsJson(listener.conditions, status.generation)}});
  }
  return list;
}

json ObjectJson(const ObjectKey& key, const ObjectStatus& status) {
  json body;
  if (!status.conditions.empty())
    body["conditions"] = ConditionsJson(status.conditions, status.generation);
  if (!status.listeners.empty()) body["listeners"] = ListenersJson(status);
  for (const ParentStatus& parent : status.parents) {
    body["parents"].push_back(
        {{"parent", parent.parent},
         {"conditions", ConditionsJson(parent.conditions, status.generation)}});
  }
  for (const StatusAddress& address : status.addresses) {
    body["addresses"].push_back({{"type", address.type}, {"value", address.value}});
  }
  if (!status.supported_features.empty()) body["supportedFeatures"] = status.supported_features;
  return {{"kind", KindWord(key.kind)},
          {"namespace", key.namespace_name},
          {"name", key.name},
          {"status", body}};
}

void DescribeConditions(const std::string& whose, const std::vector<Condition>& before,
                        const std::vector<Condition>& after, std::vector<std::string>& lines) {
  for (const Condition& condition : after) {
    const Condition* old = FindCondition(before, condition.type);
    if (old != nullptr && *old == condition) continue;
    lines.push_back(whose + ": " + condition.type + "=" + (condition.status ? "True" : "False") +
                    " " + condition.reason +
                    (condition.message.empty() ? "" : ": " + condition.message));
  }
}

template <class Part>
const std::vector<Condition>& ConditionsOf(const std::vector<Part>& parts, std::string Part::* name,
                                           const std::string& wanted) {
  static const std::vector<Condition> kNone;
  const auto found = std::find_if(parts.begin(), parts.end(),
                                  [&](const Part& part) { return part.*name == wanted; });
  return found == parts.end() ? kNone : found->conditions;
}

}  // namespace

const Condition* FindCondition(const std::vector<Condition>& conditions, std::string_view type) {
  const auto found = std::find_if(conditions.begin(), conditions.end(),
                                  [&](const Condition& c) { return c.type == type; });
  return found == conditions.end() ? nullptr : &*found;
}

void AcceptAsDeployed(const Condition& deployed, std::vector<Condition>& conditions) {
  if (deployed.reason != kInvalidParameters) return;
  for (Condition& condition : conditions) {
    if (condition.type != "Accepted" || !condition.status) continue;
    condition = {"Accepted", false, deployed.reason, deployed.message};
  }
}

std::string StatusJson(const StatusMap& statuses) {
  json list = json::array();
  for (const auto& [key, status] : statuses) list.push_back(ObjectJson(key, status));
  // Whatever text came in was checked to be UTF-8; a message cut in the middle of a character must
  // still not throw.
  return list.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::vector<std::string> DescribeChanges(const StatusMap& before, const StatusMap& after) {
  static const ObjectStatus kNone;
  std::vector<std::string> lines;
  for (const auto& [key, status] : after) {
    const auto found = before.find(key);
    const ObjectStatus& old = found == before.end() ? kNone : found->second;
    const std::string name = key.ToString();
    DescribeConditions(name, old.conditions, status.conditions, lines);
    for (const ParentStatus& parent : status.parents) {
      DescribeConditions(name + ", parent " + parent.parent,
                         ConditionsOf(old.parents, &ParentStatus::parent, parent.parent),
                         parent.conditions, lines);
    }
    for (const ListenerStatus& listener : status.listeners) {
      DescribeConditions(name + ", listener " + listener.name,
                         ConditionsOf(old.listeners, &ListenerStatus::name, listener.name),
                         listener.conditions, lines);
    }
  }
  return lines;
}

}  // namespace aquifer::control
