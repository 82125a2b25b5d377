// GatewayClass, Gateway and ReferenceGrant.
#include <algorithm>
#include <utility>

#include "control/decode/decode.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

void ReadAllowedRoutes(Fields& allowed, Listener& listener) {
  Fields namespaces = allowed.Object("namespaces");
  const std::string from = namespaces.Word("from", "Same", {"Same", "All", "Selector", "None"});
  Fields selector = namespaces.Object("selector");
  if (selector.present()) listener.namespaces = DecodeLabelSelector(selector);
  if (from == "Selector" && !selector.present())
    namespaces.Refuse("selector", "is required when from is Selector");
  namespaces.RefuseOthers();
  listener.from = from == "All"        ? Listener::From::kAll
                  : from == "Selector" ? Listener::From::kSelector
                  : from == "None"     ? Listener::From::kNone
                                       : Listener::From::kSame;
  allowed.ForEach("kinds", 8, [&](Fields& item) {
    listener.kinds.push_back(
        {item.Text("group", kGatewayGroup, kMaxNameText), item.RequiredText("kind", 63)});
    item.RefuseOthers();
  });
  allowed.RefuseOthers();
}

Listener ReadListener(Fields& fields) {
  Listener listener;
  listener.name = fields.RequiredText("name", kMaxNameText);
  if (!listener.name.empty() && !IsDnsSubdomain(listener.name))
    fields.Refuse("name", "is not a valid listener name");
  listener.hostname = fields.Text("hostname", "", kMaxNameText);
  if (!listener.hostname.empty() && !IsHostname(listener.hostname))
    fields.Refuse("hostname", "is not a host name");
  listener.port = static_cast<std::uint16_t>(fields.RequiredNumber("port", 1, 65535));
  listener.protocol = fields.RequiredText("protocol", 255);
  Fields tls = fields.Object("tls");  // the rest of it is for protocols that the status refuses
  listener.tls_passthrough = tls.present() && tls.Text("mode", "Terminate", 63) == "Passthrough";
  Fields allowed = fields.Object("allowedRoutes");
  ReadAllowedRoutes(allowed, listener);
  fields.RefuseOthers();
  return listener;
}

bool NameTaken(const std::vector<Listener>& listeners, std::string_view name) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&](const Listener& other) { return other.name == name; });
}

// Whatever the annotations hold: they are handed on and not read here. Too many are left out, so
// that nobody's Gateway is refused for what others wrote on it.
Labels ReadAnnotations(Fields& owner) {
  constexpr size_t kMaxBytes = 64 << 10;
  Labels annotations;
  const Json* all = owner.Find("annotations");
  if (all == nullptr || !all->is_object()) return annotations;
  size_t bytes = 0;
  for (const auto& [key, value] : all->items()) {
    if (!value.is_string() || key.starts_with("kubectl.kubernetes.io/")) continue;
    const auto& text = value.get_ref<const std::string&>();
    bytes += key.size() + text.size();
    if (bytes > kMaxBytes) break;
    annotations.emplace(key, text);
  }
  return annotations;
}

std::optional<ObjectRef> ReadParametersRef(Fields& owner) {
  Fields fields = owner.Object("parametersRef");
  if (!fields.present()) return std::nullopt;
  ObjectRef ref;
  ref.group = fields.Text("group", "", kMaxNameText);
  ref.kind = fields.RequiredText("kind", 63);
  ref.name = fields.RequiredText("name", kMaxNameText);
  ref.namespace_name = fields.Text("namespace", "", 63);
  fields.RefuseOthers();
  return ref;
}

GatewayInfrastructure ReadInfrastructure(Fields& fields) {
  GatewayInfrastructure infrastructure;
  infrastructure.labels = fields.LabelEntries("labels");
  infrastructure.annotations = ReadAnnotations(fields);
  infrastructure.parameters = ReadParametersRef(fields);
  fields.RefuseOthers();
  return infrastructure;
}

}  // namespace

Object DecodeGatewayClass(Fields& object, Meta meta) {
  Fields spec = object.Object("spec");
  GatewayClass gateway_class{std::move(meta), spec.RequiredText("controllerName", kMaxNameText)};
  gateway_class.parameters = ReadParametersRef(spec);
  spec.Find("description");
  spec.RefuseOthers();
  return gateway_class;
}

Object DecodeGateway(Fields& object, Meta meta) {
  Gateway gateway;
  gateway.meta = std::move(meta);
  Fields metadata = object.Object("metadata");
  gateway.meta.annotations.merge(ReadAnnotations(metadata));
  Fields spec = object.Object("spec");
  gateway.class_name = spec.RequiredText("gatewayClassName", kMaxNameText);
  spec.ForEach("listeners", 64, [&](Fields& item) {
    Listener listener = ReadListener(item);
    if (NameTaken(gateway.listeners, listener.name)) item.Refuse("name", "is there twice");
    gateway.listeners.push_back(std::move(listener));
  });
  if (gateway.listeners.empty()) spec.Refuse("listeners", "is required");
  spec.ForEach("addresses", 16, [&](Fields& item) {
    gateway.addresses.push_back(
        {item.Text("type", "IPAddress", kMaxNameText), item.Text("value", "", kMaxNameText)});
    item.RefuseOthers();
  });
  Fields infrastructure = spec.Object("infrastructure");
  gateway.infrastructure = ReadInfrastructure(infrastructure);
  for (const std::string_view key : {"allowedListeners", "tls"}) spec.Find(key);
  spec.RefuseOthers();
  return gateway;
}

Object DecodeReferenceGrant(Fields& object, Meta meta) {
  ReferenceGrant grant;
  grant.meta = std::move(meta);
  Fields spec = object.Object("spec");
  spec.ForEach("from", 16, [&](Fields& item) {
    grant.from.push_back({item.Text("group", "", kMaxNameText), item.RequiredText("kind", 63),
                          item.RequiredText("namespace", 63)});
    item.RefuseOthers();
  });
  spec.ForEach("to", 16, [&](Fields& item) {
    grant.to.push_back({item.Text("group", "", kMaxNameText), item.RequiredText("kind", 63),
                        item.Text("name", "", kMaxNameText)});
    item.RefuseOthers();
  });
  spec.RefuseOthers();
  if (grant.from.empty()) spec.Refuse("from", "is required");
  if (grant.to.empty()) spec.Refuse("to", "is required");
  return grant;
}

}  // namespace aquifer::control
