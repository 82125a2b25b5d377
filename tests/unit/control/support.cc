#include "tests/unit/control/support.h"

#include <utility>

#include "tests/support/catch.h"

namespace aquifer::control {
namespace {

std::pair<std::string, std::string> Split(const std::string& name) {
  const size_t slash = name.find('/');
  return {name.substr(0, slash), name.substr(slash + 1)};
}

template <class Message>
std::optional<Message> Parse(const Resource* resource) {
  if (resource == nullptr) return std::nullopt;
  Message message;
  REQUIRE(message.ParseFromString(resource->bytes));
  return message;
}

std::string Words(const Condition* condition) {
  if (condition == nullptr) return "";
  return (condition->status ? "True " : "False ") + condition->reason;
}

}  // namespace

ObjectSet ObjectsOf(std::string_view yaml) {
  Manifest manifest = ReadManifest("test.yaml", yaml);
  for (const ManifestRefusal& refusal : manifest.refusals) FAIL(refusal.ToString());
  ObjectSet objects;
  for (Object& object : manifest.objects) REQUIRE(objects.Add(std::move(object)));
  return objects;
}

std::string RefusalOf(std::string_view yaml) {
  const Manifest manifest = ReadManifest("test.yaml", yaml);
  CHECK(manifest.refusals.size() <= 1);
  return manifest.refusals.empty() ? "" : manifest.refusals[0].refusal.ToString();
}

Mesh::Mesh(std::string_view yaml, MeshSettings settings)
    : objects_(ObjectsOf(yaml)),
      settings_(std::move(settings)),
      result_(Reconcile(objects_, settings_)) {}

const Resource* Mesh::ResourceOf(ResourceType type, const std::string& name) const {
  const auto& resources = result_.resources.types[static_cast<size_t>(type)];
  const auto found = resources.find(name);
  return found == resources.end() ? nullptr : &found->second;
}

std::optional<istio::workload::Workload> Mesh::WorkloadOf(const std::string& pod) const {
  const auto address =
      Parse<istio::workload::Address>(ResourceOf(ResourceType::kAddress, "Kubernetes//Pod/" + pod));
  return address ? std::optional(address->workload()) : std::nullopt;
}

std::optional<istio::workload::Service> Mesh::ServiceOf(const std::string& service) const {
  const auto [space, name] = Split(service);
  const std::string resource =
      space + "/" + name + "." + space + ".svc." + settings_.cluster_domain;
  const auto address =
      Parse<istio::workload::Address>(ResourceOf(ResourceType::kAddress, resource));
  return address ? std::optional(address->service()) : std::nullopt;
}

std::optional<istio::security::Authorization> Mesh::PolicyOf(const std::string& name) const {
  return Parse<istio::security::Authorization>(ResourceOf(ResourceType::kAuthorization, name));
}

std::optional<mesh::v1::Gateway> Mesh::GatewayOf(const std::string& name) const {
  return Parse<mesh::v1::Gateway>(ResourceOf(ResourceType::kGateway, name));
}

std::optional<mesh::v1::HttpRoute> Mesh::RouteOf(const std::string& name) const {
  return Parse<mesh::v1::HttpRoute>(ResourceOf(ResourceType::kHttpRoute, name));
}

std::optional<mesh::v1::AuthorizationPolicy> Mesh::RequestPolicyOf(const std::string& name) const {
  return Parse<mesh::v1::AuthorizationPolicy>(ResourceOf(ResourceType::kAuthorizationPolicy, name));
}

const ObjectStatus* Mesh::StatusOf(Kind kind, const std::string& name) const {
  const auto [space, object] = Split(name);
  const auto found = result_.statuses.find({kind, space, object});
  return found == result_.statuses.end() ? nullptr : &found->second;
}

std::string Mesh::ConditionOf(Kind kind, const std::string& name, std::string_view type) const {
  const ObjectStatus* status = StatusOf(kind, name);
  return status == nullptr ? "" : Words(FindCondition(status->conditions, type));
}

std::string Mesh::ParentConditionOf(const std::string& route, size_t parent,
                                    std::string_view type) const {
  const ObjectStatus* status = StatusOf(Kind::kHttpRoute, route);
  if (status == nullptr || parent >= status->parents.size()) return "";
  return Words(FindCondition(status->parents[parent].conditions, type));
}

}  // namespace aquifer::control
