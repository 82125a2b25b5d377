#include "control/decode/decode.h"

#include <algorithm>
#include <array>
#include <utility>

#include "control/names.h"

namespace aquifer::control {
namespace {

// The annotations that something here reads. The others may be large and hold anything, so they are
// not kept.
constexpr std::array<std::string_view, 6> kAnnotations = {
    "ambient.istio.io/redirection",
    "ambient.istio.io/xfcc-include-client-identity",
    "istio.io/dry-run",
    "istio.io/for-service-account",
    "networking.istio.io/traffic-distribution",
    "sidecar.istio.io/status",
};

constexpr DecoderRow kDecoders[] = {
    {"",
     "Namespace",
     "namespaces",
     Kind::kNamespace,
     ObjectScope::kCluster,
     DecodeNamespace,
     {"v1"}},
    {"", "Node", "nodes", Kind::kNode, ObjectScope::kCluster, DecodeNode, {"v1"}},
    {"",
     "ServiceAccount",
     "serviceaccounts",
     Kind::kServiceAccount,
     ObjectScope::kNamespaced,
     DecodeServiceAccount,
     {"v1"}},
    {"", "Pod", "pods", Kind::kPod, ObjectScope::kNamespaced, DecodePod, {"v1"}},
    {"", "Service", "services", Kind::kService, ObjectScope::kNamespaced, DecodeService, {"v1"}},
    {kGatewayGroup,
     "GatewayClass",
     "gatewayclasses",
     Kind::kGatewayClass,
     ObjectScope::kCluster,
     DecodeGatewayClass,
     {"v1", "v1beta1", "v1alpha2"}},
    {kGatewayGroup,
     "Gateway",
     "gateways",
     Kind::kGateway,
     ObjectScope::kNamespaced,
     DecodeGateway,
     {"v1", "v1beta1", "v1alpha2"}},
    {kGatewayGroup,
     "HTTPRoute",
     "httproutes",
     Kind::kHttpRoute,
     ObjectScope::kNamespaced,
     DecodeHttpRoute,
     {"v1", "v1beta1", "v1alpha2"}},
    {kGatewayGroup,
     "TCPRoute",
     "tcproutes",
     Kind::kTcpRoute,
     ObjectScope::kNamespaced,
     DecodeTcpRoute,
     {"v1", "v1alpha2"}},
    {kGatewayGroup,
     "TLSRoute",
     "tlsroutes",
     Kind::kTlsRoute,
     ObjectScope::kNamespaced,
     DecodeTlsRoute,
     {"v1", "v1alpha3", "v1alpha2"}},
    {kGatewayGroup,
     "UDPRoute",
     "udproutes",
     Kind::kUdpRoute,
     ObjectScope::kNamespaced,
     DecodeUdpRoute,
     {"v1", "v1alpha2"}},
    {kGatewayGroup,
     "ReferenceGrant",
     "referencegrants",
     Kind::kReferenceGrant,
     ObjectScope::kNamespaced,
     DecodeReferenceGrant,
     {"v1", "v1beta1", "v1alpha2"}},
    {"security.istio.io",
     "AuthorizationPolicy",
     "authorizationpolicies",
     Kind::kAuthorizationPolicy,
     ObjectScope::kNamespaced,
     DecodeAuthorizationPolicy,
     {"v1", "v1beta1"}},
    {"security.istio.io",
     "PeerAuthentication",
     "peerauthentications",
     Kind::kPeerAuthentication,
     ObjectScope::kNamespaced,
     DecodePeerAuthentication,
     {"v1", "v1beta1"}},
    {"discovery.k8s.io",
     "EndpointSlice",
     "endpointslices",
     Kind::kEndpointSlice,
     ObjectScope::kNamespaced,
     DecodeEndpointSlice,
     {"v1"}},
    {"networking.istio.io",
     "ServiceEntry",
     "serviceentries",
     Kind::kServiceEntry,
     ObjectScope::kNamespaced,
     DecodeServiceEntry,
     {"v1", "v1beta1", "v1alpha3"}},
    {"networking.istio.io",
     "WorkloadEntry",
     "workloadentries",
     Kind::kWorkloadEntry,
     ObjectScope::kNamespaced,
     DecodeWorkloadEntry,
     {"v1", "v1beta1", "v1alpha3"}},
};

LabelRequirement DecodeRequirement(Fields& fields) {
  LabelRequirement requirement;
  requirement.key = fields.RequiredText("key", 317);
  const std::string op = fields.Word("operator", "", {"In", "NotIn", "Exists", "DoesNotExist"});
  requirement.values = fields.Texts("values", 64, 63);
  fields.RefuseOthers();
  const bool takes_values = op == "In" || op == "NotIn";
  if (takes_values == requirement.values.empty()) {
    fields.Refuse("values", takes_values ? "is required for " + op : "must be absent for " + op);
  }
  using Operator = LabelRequirement::Operator;
  requirement.op = op == "In"       ? Operator::kIn
                   : op == "NotIn"  ? Operator::kNotIn
                   : op == "Exists" ? Operator::kExists
                                    : Operator::kDoesNotExist;
  return requirement;
}

}  // namespace

Meta DecodeMeta(Fields& object, ObjectScope scope) {
  Fields fields = object.Object("metadata");
  Meta meta;
  meta.name = fields.RequiredText("name", kMaxNameText);
  if (!meta.name.empty() && !IsDnsSubdomain(meta.name))
    fields.Refuse("name", "is not a valid object name");
  const std::string namespace_name = fields.Text("namespace", "default", 63);
  if (!IsDnsLabel(namespace_name)) fields.Refuse("namespace", "is not a valid namespace name");
  if (scope == ObjectScope::kNamespaced) meta.namespace_name = namespace_name;
  meta.labels = fields.LabelEntries("labels");
  Fields annotations = fields.Object("annotations");
  for (const std::string_view key : kAnnotations) {
    if (auto value = annotations.OptionalText(key))
      meta.annotations.emplace(key, std::move(*value));
  }
  meta.generation = fields.Number("generation", 0, 0, INT64_MAX);
  if (const auto created = fields.OptionalText("creationTimestamp")) {
    const auto seconds = ParseTimestamp(*created);
    if (!seconds)
      fields.Refuse("creationTimestamp", "is not a time of the form 2006-01-02T15:04:05Z");
    meta.creation_seconds = seconds.value_or(0);
  }
  meta.deleting = fields.Has("deletionTimestamp");
  meta.uid = fields.Text("uid", "", 64);
  return meta;
}

LabelSelector DecodeLabelSelector(Fields& selector) {
  LabelSelector result;
  result.match_labels = selector.LabelEntries("matchLabels");
  selector.ForEach("matchExpressions", 64, [&](Fields& item) {
    result.match_expressions.push_back(DecodeRequirement(item));
  });
  selector.RefuseOthers();
  return result;
}

const DecoderRow* FindDecoder(const TypeMeta& type) {
  const auto row =
      std::find_if(std::begin(kDecoders), std::end(kDecoders), [&](const DecoderRow& candidate) {
        return candidate.group == type.group && candidate.kind == type.kind;
      });
  return row == std::end(kDecoders) ? nullptr : row;
}

std::span<const DecoderRow> Decoders() { return kDecoders; }

std::optional<ObjectKey> KeyOfDocument(const Json& document, const DecoderRow& row) {
  std::optional<Refusal> refusal;
  Fields object(&document, "", refusal);
  Fields metadata = object.Object("metadata");
  ObjectKey key{row.object_kind, metadata.Text("namespace", "default"),
                metadata.RequiredText("name")};
  if (row.scope == ObjectScope::kCluster) key.namespace_name.clear();
  if (refusal) return std::nullopt;
  return key;
}

Decoded<Object> DecodeObject(const Json& document, const DecoderRow& row) {
  std::optional<Refusal> refusal;
  Fields object(&document, "", refusal);
  Meta meta = DecodeMeta(object, row.scope);
  if (refusal) return *std::move(refusal);
  Object decoded = row.decode(object, std::move(meta));
  if (refusal) return *std::move(refusal);
  return decoded;
}

}  // namespace aquifer::control
