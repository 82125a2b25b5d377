#include "control/decode/route_parts.h"

#include <utility>

#include "control/names.h"

namespace aquifer::control {
namespace {

ParentRef ReadParent(Fields& item) {
  ParentRef parent;
  parent.group = item.Text("group", kGatewayGroup, kMaxNameText);
  if (parent.group == "core") parent.group.clear();  // as GAMMA's first documents wrote it
  parent.kind = item.Text("kind", "Gateway", 63);
  parent.namespace_name = item.Text("namespace", "", 63);
  parent.name = item.RequiredText("name", kMaxNameText);
  parent.section_name = item.Text("sectionName", "", kMaxNameText);
  parent.port = static_cast<std::uint16_t>(item.Number("port", 0, 1, 65535));
  item.RefuseOthers();
  return parent;
}

}  // namespace

std::vector<ParentRef> ReadParents(Fields& spec) {
  std::vector<ParentRef> parents;
  spec.ForEach("parentRefs", 32, [&](Fields& item) { parents.push_back(ReadParent(item)); });
  spec.Find("useDefaultGateways");
  return parents;
}

std::vector<std::string> ReadHostnames(Fields& spec) {
  std::vector<std::string> hostnames = spec.Texts("hostnames", 64, kMaxNameText);
  for (size_t i = 0; i < hostnames.size(); ++i) {
    if (!IsHostname(hostnames[i]))
      spec.Refuse("hostnames[" + std::to_string(i) + "]", "is not a host name");
  }
  return hostnames;
}

ObjectRef ReadBackendObject(Fields& reference) {
  ObjectRef object;
  object.group = reference.Text("group", "", kMaxNameText);
  if (object.group == "core") object.group.clear();
  object.kind = reference.Text("kind", "Service", 63);
  object.namespace_name = reference.Text("namespace", "", 63);
  object.name = reference.RequiredText("name", kMaxNameText);
  object.port = static_cast<std::uint16_t>(reference.Number("port", 0, 1, 65535));
  if (object.group.empty() && object.kind == "Service" && object.port == 0) {
    reference.Refuse("port", "is required for a Service");
  }
  return object;
}

}  // namespace aquifer::control
