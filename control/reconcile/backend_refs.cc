#include "control/reconcile/backend_refs.h"

#include <algorithm>
#include <utility>

namespace aquifer::control {

const Service* BackendRefs::Resolve(const ObjectRef& object, Transport transport,
                                    std::string& invalid) {
  if (auto problem = Judge(object, transport)) {
    invalid = problem->message;
    if (!first_problem_) first_problem_ = std::move(problem);
    return nullptr;
  }
  return FindObject(index_.objects().services, NamespaceOf(object), object.name);
}

void BackendRefs::Write(const Service& service, std::uint16_t port,
                        mesh::v1::ServiceRef& out) const {
  out.set_namespace_(service.meta.namespace_name);
  out.set_hostname(index_.HostnameOf(service));
  out.set_port(port);
}

Condition BackendRefs::ResolvedRefs() const {
  if (!first_problem_) return {"ResolvedRefs", true, "ResolvedRefs", ""};
  return {"ResolvedRefs", false, first_problem_->reason, first_problem_->message};
}

// Permission comes before existence, so that nothing about foreign namespaces leaks.
std::optional<BackendRefs::Problem> BackendRefs::Judge(const ObjectRef& object,
                                                       Transport transport) const {
  const std::string& space = NamespaceOf(object);
  const std::string name = object.kind + " " + space + "/" + object.name;
  if (!object.group.empty() || object.kind != "Service") {
    return Problem{"InvalidKind", "backends of kind " + object.kind + " are not known"};
  }
  if (grants_ == Grants::kRequired && space != route_namespace_ && !Granted(space, object.name)) {
    return Problem{"RefNotPermitted",
                   "no ReferenceGrant in namespace " + space + " permits " + name};
  }
  const Service* service = FindObject(index_.objects().services, space, object.name);
  if (service == nullptr) return Problem{"BackendNotFound", name + " does not exist"};
  if (service->type == Service::Type::kExternalName) {
    return Problem{"UnsupportedProtocol", name + " is of type ExternalName"};
  }
  const bool tcp = transport == Transport::kTcp;
  const bool has_port = std::any_of(
      service->ports.begin(), service->ports.end(),
      [&](const ServicePort& port) { return port.tcp == tcp && port.port == object.port; });
  if (has_port) return std::nullopt;
  return Problem{"BackendNotFound", name + " has no port " + std::to_string(object.port) +
                                        (tcp ? "" : " of protocol UDP")};
}

bool BackendRefs::Granted(const std::string& target_namespace, const std::string& service) const {
  const auto& grants = index_.objects().reference_grants;
  for (auto at = grants.lower_bound({target_namespace, ""});
       at != grants.end() && at->first.first == target_namespace; ++at) {
    const ReferenceGrant& grant = at->second;
    const bool from =
        std::any_of(grant.from.begin(), grant.from.end(), [&](const ReferenceGrant::From& f) {
          return f.group == kGatewayGroup && f.kind == route_kind_ &&
                 f.namespace_name == route_namespace_;
        });
    const bool to = std::any_of(grant.to.begin(), grant.to.end(), [&](const ReferenceGrant::To& t) {
      return t.group.empty() && t.kind == "Service" && (t.name.empty() || t.name == service);
    });
    if (from && to) return true;
  }
  return false;
}

}  // namespace aquifer::control
