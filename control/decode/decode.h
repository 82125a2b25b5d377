// One JSON object of a Kubernetes API to one typed object. The decoder of each kind reads its
// fields and refuses by the field's path; what it returns after a refusal is not looked at. The
// readers of manifests and of an API server both end here. Any thread.
#pragma once

#include <optional>
#include <span>

#include "control/kube/values.h"
#include "control/object_set.h"

namespace aquifer::control {

// metadata. Cluster-wide kinds have no namespace; the others are in "default" when they name none.
enum class ObjectScope : std::uint8_t { kCluster, kNamespaced };
Meta DecodeMeta(Fields& object, ObjectScope scope);

// matchLabels and matchExpressions.
LabelSelector DecodeLabelSelector(Fields& selector);

// The rest of each kind. `object` is the whole document, `meta` what DecodeMeta made of it.
Object DecodeNamespace(Fields& object, Meta meta);
Object DecodeNode(Fields& object, Meta meta);
Object DecodeServiceAccount(Fields& object, Meta meta);
Object DecodePod(Fields& object, Meta meta);
Object DecodeService(Fields& object, Meta meta);
Object DecodeGatewayClass(Fields& object, Meta meta);
Object DecodeGateway(Fields& object, Meta meta);
Object DecodeHttpRoute(Fields& object, Meta meta);
Object DecodeReferenceGrant(Fields& object, Meta meta);
Object DecodeAuthorizationPolicy(Fields& object, Meta meta);
Object DecodePeerAuthentication(Fields& object, Meta meta);
Object DecodeEndpointSlice(Fields& object, Meta meta);
Object DecodeServiceEntry(Fields& object, Meta meta);
Object DecodeWorkloadEntry(Fields& object, Meta meta);

// What a document says of itself.
struct TypeMeta {
  std::string group;
  std::string version;
  std::string kind;
};

// How a kind is read, or why it is not.
struct DecoderRow {
  std::string_view group;
  std::string_view kind;
  std::string_view plural;  // in the paths of the API server
  Kind object_kind;
  ObjectScope scope;
  Object (*decode)(Fields&, Meta);
  std::initializer_list<std::string_view> versions;  // best first
};

// All kinds.
std::span<const DecoderRow> Decoders();

// The row of that group and kind, whatever the version; null for kinds that are none of ours.
const DecoderRow* FindDecoder(const TypeMeta& type);

// Which object a document is or, where it was refused, means to be; empty if its name and namespace
// cannot be relied on.
std::optional<ObjectKey> KeyOfDocument(const Json& document, const DecoderRow& row);

// What stands in for a policy that was refused, at what it selects or targets, or in its namespace
// if that cannot be read either: an AuthorizationPolicy denies everything, a PeerAuthentication is
// STRICT. Empty for other kinds, and when it is not known which policy it is.
std::optional<Object> ClosedObject(const Json& document, const DecoderRow& row);

// A whole document of a known kind.
Decoded<Object> DecodeObject(const Json& document, const DecoderRow& row);

}  // namespace aquifer::control
