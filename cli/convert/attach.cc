#include "cli/convert/attach.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "control/decode/decode.h"

namespace aquifer::cli {
namespace {

using control::LabelSelector;

// None: it is there and cannot be read.
std::optional<LabelSelector> SelectorOf(const OrderedJson* selector) {
  if (selector == nullptr) return LabelSelector{};
  const kube::Json value = *selector;
  std::optional<Refusal> refusal;
  kube::Fields fields(&value, "selector", refusal);
  LabelSelector read = control::DecodeLabelSelector(fields);
  if (refusal) return std::nullopt;
  return read;
}

control::Labels LabelsOf(const OrderedJson& object) {
  control::Labels labels;
  const OrderedJson* given = Find(Find(&object, "metadata"), "labels");
  if (given == nullptr || !given->is_object()) return labels;
  for (const auto& [key, value] : given->items()) {
    if (value.is_string()) labels.emplace(key, value.get<std::string>());
  }
  return labels;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::vector<std::string> ListenerNames(const OrderedJson& gateway) {
  std::vector<std::string> names;
  std::map<std::string, int> uses;
  std::map<std::string, int> taken;
  const auto listeners = ObjectsOf(Find(&gateway, "spec"), "listeners");
  for (const OrderedJson* listener : listeners) ++uses[Lower(TextOf(listener, "protocol"))];
  for (const OrderedJson* listener : listeners) {
    std::string name = Lower(TextOf(listener, "protocol"));
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c); }) ||
        name.empty())
      name = "listener";
    const OrderedJson* port = Find(listener, "port");
    if (uses[Lower(TextOf(listener, "protocol"))] > 1 && port != nullptr &&
        port->is_number_integer())
      name += "-" + port->dump();
    // Two of one name and port: "http-80", then "http-80-x2", which is no name of another.
    const int again = ++taken[name];
    names.push_back(again == 1 ? name : name + "-x" + std::to_string(again));
  }
  return names;
}

OrderedJson ParentRef(const std::string& name_space, const std::string& name,
                      const std::string& route_space) {
  OrderedJson parent = OrderedJson::object();
  parent["name"] = name;
  if (name_space != route_space) parent["namespace"] = name_space;
  return parent;
}

void Choosers::Add(const OrderedJson& object) {
  const ManifestName name = NameOf(object, name_space_);
  if (name.api_version == "v1" && name.kind == "Namespace")
    namespaces_[name.name] = LabelsOf(object);
  if (name.api_version != "networking.x-k8s.io/v1alpha1" || name.kind != "Gateway") return;
  Gateway gateway{name.name_space, name.name, {}};
  const std::vector<std::string> names = ListenerNames(object);
  const auto listeners = ObjectsOf(Find(&object, "spec"), "listeners");
  for (size_t i = 0; i < listeners.size(); ++i) {
    const OrderedJson* routes = Find(listeners[i], "routes");
    const OrderedJson* spaces = Find(routes, "namespaces");
    const std::string from = TextOf(spaces, "from");
    gateway.listeners.push_back({.name = names[i],
                                 .kind = TextOf(routes, "kind"),
                                 .from = from.empty() ? "Same" : from,
                                 .namespaces = SelectorOf(Find(spaces, "selector")),
                                 .routes = SelectorOf(Find(routes, "selector"))});
  }
  gateways_.push_back(std::move(gateway));
}

bool Choosers::Chooses(const Gateway& gateway, const Listener& listener, const Route& route,
                       std::string& unknown) const {
  if (!listener.kind.empty() && listener.kind != route.name.kind) return false;
  if (!listener.routes) {
    unknown =
        "a selector of Gateway " + gateway.name_space + "/" + gateway.name + " cannot be read";
    return false;
  }
  if (!listener.routes->Selects(route.labels)) return false;
  if (listener.from == "All") return true;
  if (listener.from != "Selector") return gateway.name_space == route.name.name_space;
  const auto known = namespaces_.find(route.name.name_space);
  control::Labels labels = known == namespaces_.end() ? control::Labels() : known->second;
  // Every namespace has this one, whether or not it is written.
  labels.insert_or_assign("kubernetes.io/metadata.name", route.name.name_space);
  if (listener.namespaces && listener.namespaces->Selects(labels)) return true;
  if (known == namespaces_.end() || !listener.namespaces) {
    unknown = "whether Gateway " + gateway.name_space + "/" + gateway.name +
              " chose its namespace depends on labels that are not in the input";
  }
  return false;
}

bool Choosers::Allows(const OrderedJson& route, const ManifestName& name, const Gateway& gateway) {
  const OrderedJson* gateways = Find(Find(&route, "spec"), "gateways");
  const std::string allow = TextOf(gateways, "allow");
  if (allow == "All") return true;
  if (allow != "FromList") return gateway.name_space == name.name_space;
  const auto refs = ObjectsOf(gateways, "gatewayRefs");
  return std::any_of(refs.begin(), refs.end(), [&](const OrderedJson* ref) {
    const std::string space = TextOf(ref, "namespace");
    return TextOf(ref, "name") == gateway.name &&
           (space.empty() ? name.name_space : space) == gateway.name_space;
  });
}

Choosers::Choice Choosers::Of(const OrderedJson& object) const {
  const Route route{NameOf(object, name_space_), LabelsOf(object)};
  Choice choice;
  for (const Gateway& gateway : gateways_) {
    if (!Allows(object, route.name, gateway)) continue;
    std::vector<std::string> chosen;
    for (const Listener& listener : gateway.listeners) {
      if (Chooses(gateway, listener, route, choice.unknown)) chosen.push_back(listener.name);
    }
    if (chosen.empty()) continue;
    const OrderedJson parent = ParentRef(gateway.name_space, gateway.name, route.name.name_space);
    if (chosen.size() == gateway.listeners.size()) {
      choice.parents.push_back(parent);
      continue;
    }
    for (const std::string& listener : chosen) {
      OrderedJson section = parent;
      section["sectionName"] = listener;
      choice.parents.push_back(std::move(section));
    }
  }
  if (!choice.parents.empty()) return choice;
  // A Gateway that is not in the input may be named all the same.
  const OrderedJson* gateways = Find(Find(&object, "spec"), "gateways");
  if (TextOf(gateways, "allow") != "FromList") return choice;
  for (const OrderedJson* ref : ObjectsOf(gateways, "gatewayRefs")) {
    const std::string space = TextOf(ref, "namespace");
    const std::string& where = space.empty() ? route.name.name_space : space;
    const std::string name = TextOf(ref, "name");
    const auto here = [&](const Gateway& gateway) {
      return gateway.name == name && gateway.name_space == where;
    };
    if (!name.empty() && std::none_of(gateways_.begin(), gateways_.end(), here))
      choice.parents.push_back(ParentRef(where, name, route.name.name_space));
  }
  return choice;
}

}  // namespace aquifer::cli
