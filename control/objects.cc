#include "control/objects.h"

#include <algorithm>

#include "core/base/check.h"

namespace aquifer::control {
namespace {

bool Holds(const LabelRequirement& requirement, const Labels& labels) {
  const auto found = labels.find(requirement.key);
  const bool there = found != labels.end();
  const auto listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), found->second) !=
           requirement.values.end();
  };
  switch (requirement.op) {
    case LabelRequirement::Operator::kIn:
      return there && listed();
    case LabelRequirement::Operator::kNotIn:
      return !there || !listed();
    case LabelRequirement::Operator::kExists:
      return there;
    case LabelRequirement::Operator::kDoesNotExist:
      return !there;
  }
  AQ_CHECK(false);
}

}  // namespace

std::string_view KindWord(Kind kind) {
  switch (kind) {
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kNode:
      return "Node";
    case Kind::kServiceAccount:
      return "ServiceAccount";
    case Kind::kPod:
      return "Pod";
    case Kind::kService:
      return "Service";
    case Kind::kGatewayClass:
      return "GatewayClass";
    case Kind::kGateway:
      return "Gateway";
    case Kind::kHttpRoute:
      return "HTTPRoute";
    case Kind::kTcpRoute:
      return "TCPRoute";
    case Kind::kTlsRoute:
      return "TLSRoute";
    case Kind::kUdpRoute:
      return "UDPRoute";
    case Kind::kReferenceGrant:
      return "ReferenceGrant";
    case Kind::kAuthorizationPolicy:
      return "AuthorizationPolicy";
    case Kind::kPeerAuthentication:
      return "PeerAuthentication";
    case Kind::kEndpointSlice:
      return "EndpointSlice";
    case Kind::kServiceEntry:
      return "ServiceEntry";
    case Kind::kWorkloadEntry:
      return "WorkloadEntry";
  }
  AQ_CHECK(false);
}

std::string ObjectKey::ToString() const {
  std::string text(KindWord(kind));
  text += ' ';
  if (!namespace_name.empty()) text += namespace_name + "/";
  return text + name;
}

bool LabelSelector::Selects(const Labels& labels) const {
  if (!HasLabels(labels, match_labels)) return false;
  return std::all_of(
      match_expressions.begin(), match_expressions.end(),
      [&](const LabelRequirement& requirement) { return Holds(requirement, labels); });
}

bool HasLabels(const Labels& labels, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& entry) {
    const auto found = labels.find(entry.first);
    return found != labels.end() && found->second == entry.second;
  });
}

std::string_view LabelOf(const Labels& labels, std::string_view key) {
  const auto found = labels.find(key);
  return found == labels.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace aquifer::control
