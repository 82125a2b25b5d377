#include "control/write/status_patch.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "control/names.h"
#include "control/reconcile/gateway_class.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxMessage = 4096;
using Types = std::initializer_list<std::string_view>;

// The member `key`, or null.
const Json* Member(const Json* object, const char* key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

// The same as a list; what is none counts as empty.
const Json& List(const Json* object, const char* key) {
  static const Json kEmpty = Json::array();
  const Json* list = Member(object, key);
  return list != nullptr && list->is_array() ? *list : kEmpty;
}

std::string_view TextOf(const Json& object, const char* key) {
  const Json* value = Member(&object, key);
  return value != nullptr && value->is_string()
             ? std::string_view(value->get_ref<const std::string&>())
             : std::string_view();
}

const Json* ItemOf(const Json& list, const char* key, std::string_view value) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Json& item) {
    return item.is_object() && TextOf(item, key) == value;
  });
  return found == list.end() ? nullptr : &*found;
}

// Whether `present` says everything that `wanted` says.
bool Says(const Json* present, const Json& wanted) {
  if (present == nullptr) return false;
  for (const auto& [key, value] : wanted.items()) {
    const Json* there = Member(present, key.c_str());
    if (there == nullptr || *there != value) return false;
  }
  return true;
}

// In the same order, and nothing else.
bool SaysAll(const Json& present, const Json& wanted) {
  return present.size() == wanted.size() &&
         std::equal(present.begin(), present.end(), wanted.begin(),
                    [](const Json& there, const Json& item) { return Says(&there, item); });
}

bool Among(std::string_view word, const Types& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Not in the middle of a character.
std::string Cut(std::string text) {
  if (text.size() <= kMaxMessage) return text;
  size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text;
}

class Composer {
 public:
  Composer(const ObjectKey& key, const ObjectStatus& wanted, const Json& present,
           const PatchContext& context)
      : key_(key),
        wanted_(wanted),
        present_(present),
        status_(Member(&present, "status")),
        context_(context) {}

  std::optional<StatusPatch> Compose() const {
    switch (key_.kind) {
      case Kind::kGateway:
        return Gateway();
      case Kind::kGatewayClass:
        return GatewayClass();
      case Kind::kService:
        return Service();
      case Kind::kAuthorizationPolicy:
        return ConditionsAlone({"WaypointAccepted", "ZtunnelAccepted"});
      case Kind::kServiceEntry:
      case Kind::kWorkloadEntry:
        return ConditionsAlone({kWaypointBound});
      case Kind::kHttpRoute:
      case Kind::kTcpRoute:
      case Kind::kTlsRoute:
      case Kind::kUdpRoute:
        return Route();
      default:
        return std::nullopt;
    }
  }

 private:
  // `before` are the conditions there are: the time of the last transition is theirs as long as the
  // status is.
  Json Conditions(const std::vector<Condition>& conditions, const Json& before) const {
    Json list = Json::array();
    for (const Condition& condition : conditions) {
      const std::string status = condition.status ? "True" : "False";
      Json item = {{"type", condition.type},
                   {"status", status},
                   {"reason", condition.reason},
                   {"message", Cut(condition.message)},
                   {"lastTransitionTime", context_.now}};
      // Some kinds have none, and their API server keeps no zero.
      if (wanted_.generation > 0) item["observedGeneration"] = wanted_.generation;
      const Json* old = ItemOf(before, "type", condition.type);
      if (old != nullptr && TextOf(*old, "status") == status) {
        const std::string_view since = TextOf(*old, "lastTransitionTime");
        if (ParseTimestamp(since)) item["lastTransitionTime"] = since;
      }
      list.push_back(std::move(item));
    }
    return list;
  }

  // `before` holds these conditions, and of our types no others.
  static bool HasConditions(const Json& before, const Json& conditions, const Types& ours) {
    for (const Json& item : conditions) {
      if (!Says(ItemOf(before, "type", TextOf(item, "type")), item)) return false;
    }
    return std::all_of(before.begin(), before.end(), [&](const Json& item) {
      const std::string_view type = TextOf(item, "type");
      return !Among(type, ours) || ItemOf(conditions, "type", type) != nullptr;
    });
  }

  // The list `before` with these instead of those of our types.
  Json MergedConditions(const std::vector<Condition>& conditions, const Json& before,
                        const Types& ours) const {
    const Json wanted = Conditions(conditions, before);
    Json left = wanted;
    Json merged = Json::array();
    const auto take = [&](std::string_view type) {
      const auto found = std::find_if(
          left.begin(), left.end(), [&](const Json& item) { return TextOf(item, "type") == type; });
      if (found == left.end()) return;
      merged.push_back(*found);
      left.erase(found);
    };
    for (const Json& item : before) {
      const std::string_view type = TextOf(item, "type");
      if (Among(type, ours) || ItemOf(wanted, "type", type) != nullptr) {
        take(type);
      } else {
        merged.push_back(item);
      }
    }
    for (Json& item : left) merged.push_back(std::move(item));
    return merged;
  }

  StatusPatch Apply(Json status) const {
    Json metadata = {{"name", key_.name}};
    if (!key_.namespace_name.empty()) metadata["namespace"] = key_.namespace_name;
    return Finish(true, {{"apiVersion", context_.api_version},
                         {"kind", KindWord(key_.kind)},
                         {"metadata", std::move(metadata)},
                         {"status", std::move(status)}});
  }

  StatusPatch Merge(Json status) const {
    const Json* metadata = Member(&present_, "metadata");
    return Finish(false, {{"metadata", {{"resourceVersion", TextOf(*metadata, "resourceVersion")}}},
                          {"status", std::move(status)}});
  }

  static StatusPatch Finish(bool apply, const Json& body) { return {apply, WriteJson(body)}; }

  std::optional<StatusPatch> Gateway() const {
    const Json& before = List(status_, "conditions");
    Json conditions = GatewayConditions(before);
    Json listeners = Json::array();
    for (const ListenerStatus& listener : wanted_.listeners)
      listeners.push_back(Listener(listener));
    Json addresses = Json::array();
    for (const StatusAddress& address : wanted_.addresses)
      addresses.push_back({{"type", address.type}, {"value", address.value}});
    if (HasConditions(before, conditions, {"Accepted", "Programmed", "Ready", kDeployed}) &&
        HasListeners(listeners) && SaysAll(List(status_, "addresses"), addresses)) {
      return std::nullopt;
    }
    Json status = {{"conditions", std::move(conditions)}, {"listeners", std::move(listeners)}};
    // What is not applied again goes.
    if (!addresses.empty()) status["addresses"] = std::move(addresses);
    return Apply(std::move(status));
  }

  Json GatewayConditions(const Json& before) const {
    const Json* deployed = wanted_.keeps_deployed ? ItemOf(before, "type", kDeployed) : nullptr;
    if (deployed == nullptr) return Conditions(wanted_.conditions, before);
    std::vector<Condition> wanted = wanted_.conditions;
    const Condition said{std::string(kDeployed), TextOf(*deployed, "status") == "True",
                         std::string(TextOf(*deployed, "reason")),
                         std::string(TextOf(*deployed, "message"))};
    AcceptAsDeployed(said, wanted);
    Json conditions = Conditions(wanted, before);
    conditions.push_back(*deployed);
    return conditions;
  }

  Json Listener(const ListenerStatus& listener) const {
    const Json* before = ItemOf(List(status_, "listeners"), "name", listener.name);
    Json kinds = Json::array();
    for (const std::string& kind : listener.supported_kinds)
      kinds.push_back({{"group", kGatewayGroup}, {"kind", kind}});
    return {{"name", listener.name},
            {"attachedRoutes", listener.attached_routes},
            {"supportedKinds", std::move(kinds)},
            {"conditions", Conditions(listener.conditions, List(before, "conditions"))}};
  }

  bool HasListeners(const Json& listeners) const {
    const Json& before = List(status_, "listeners");
    if (before.size() != listeners.size()) return false;
    return std::all_of(listeners.begin(), listeners.end(), [&](const Json& listener) {
      const Json* there = ItemOf(before, "name", TextOf(listener, "name"));
      Json rest = listener;
      rest.erase("conditions");
      return Says(there, rest) &&
             HasConditions(List(there, "conditions"), List(&listener, "conditions"),
                           {"Accepted", "Programmed", "Conflicted", "ResolvedRefs"});
    });
  }

  std::optional<StatusPatch> GatewayClass() const {
    const Json& before = List(status_, "conditions");
    Json conditions = Conditions(wanted_.conditions, before);
    Json features = Json::array();
    for (const std::string& feature : wanted_.supported_features)
      features.push_back(Json::object({{"name", feature}}));
    const bool features_hold =
        !context_.with_features || SaysAll(List(status_, "supportedFeatures"), features);
    if (HasConditions(before, conditions, {"Accepted"}) && features_hold) return std::nullopt;
    Json status = {{"conditions", std::move(conditions)}};
    if (context_.with_features) status["supportedFeatures"] = std::move(features);
    return Apply(std::move(status));
  }

  std::optional<StatusPatch> Service() const {
    const Json& before = List(status_, "conditions");
    Json conditions = Conditions(wanted_.conditions, before);
    if (HasConditions(before, conditions, {kWaypointBound})) return std::nullopt;
    Json status = Json::object();
    if (!conditions.empty()) status["conditions"] = std::move(conditions);
    return Apply(std::move(status));
  }

  // Of kinds whose definition takes the list as a whole.
  std::optional<StatusPatch> ConditionsAlone(const Types& ours) const {
    const Json& before = List(status_, "conditions");
    Json conditions = MergedConditions(wanted_.conditions, before, ours);
    if (conditions == before) return std::nullopt;
    return Merge({{"conditions", std::move(conditions)}});
  }

  std::optional<StatusPatch> Route() const {
    const Json& before = List(status_, "parents");
    std::vector<const ParentStatus*> left;
    for (const ParentStatus& parent : wanted_.parents) left.push_back(&parent);
    Json parents = Json::array();
    for (const Json& entry : before) {
      if (TextOf(entry, "controllerName") != kControllerName) {
        parents.push_back(entry);
        continue;
      }
      const auto found = std::find_if(left.begin(), left.end(), [&](const ParentStatus* parent) {
        const Json* ref = Member(&entry, "parentRef");
        return ref != nullptr && *ref == RefOf(*parent);
      });
      if (found == left.end()) continue;
      parents.push_back(Entry(**found, List(&entry, "conditions")));
      left.erase(found);
    }
    for (const ParentStatus* parent : left) parents.push_back(Entry(*parent, Json::array()));
    if (parents == before) return std::nullopt;
    return Merge({{"parents", std::move(parents)}});
  }

  // As the route has it, with the defaults that the API server has put in.
  Json RefOf(const ParentStatus& parent) const {
    const Json& refs = List(Member(&present_, "spec"), "parentRefs");
    return parent.index < refs.size() ? refs[parent.index] : Json();
  }

  Json Entry(const ParentStatus& parent, const Json& before) const {
    return {
        {"parentRef", RefOf(parent)},
        {"controllerName", kControllerName},
        {"conditions", MergedConditions(parent.conditions, before, {"Accepted", "ResolvedRefs"})}};
  }

  const ObjectKey& key_;
  const ObjectStatus& wanted_;
  const Json& present_;
  const Json* const status_;
  const PatchContext& context_;
};

}  // namespace

bool WritesStatusOf(Kind kind) {
  switch (kind) {
    case Kind::kGateway:
    case Kind::kGatewayClass:
    case Kind::kService:
    case Kind::kServiceEntry:
    case Kind::kWorkloadEntry:
    case Kind::kAuthorizationPolicy:
    case Kind::kHttpRoute:
    case Kind::kTcpRoute:
    case Kind::kTlsRoute:
    case Kind::kUdpRoute:
      return true;
    default:
      return false;
  }
}

Decoded<std::optional<StatusPatch>> PatchFor(const ObjectKey& key, const ObjectStatus& wanted,
                                             const Json& present, const PatchContext& context) {
  std::optional<Refusal> refusal;
  Fields root(&present, "", refusal);
  Fields metadata = root.Object("metadata");
  const std::string uid = metadata.Text("uid", "", 64);
  const std::int64_t generation = metadata.Number("generation", 0, 0, INT64_MAX);
  metadata.RequiredText("resourceVersion", kMaxNameText);
  if (refusal) return *std::move(refusal);
  if (!wanted.uid.empty() && uid != wanted.uid) return std::optional<StatusPatch>();
  if (generation != wanted.generation) return std::optional<StatusPatch>();
  return Composer(key, wanted, present, context).Compose();
}

}  // namespace aquifer::control
