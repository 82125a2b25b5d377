#include "cli/convert/convert.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "cli/convert/alpha1.h"
#include "cli/convert/alpha2.h"
#include "cli/convert/attach.h"
#include "cli/convert/mesh_parent.h"

namespace aquifer::cli {
namespace {

constexpr std::array<std::string_view, 6> kAlpha1Kinds = {"GatewayClass", "Gateway",  "HTTPRoute",
                                                          "TLSRoute",     "TCPRoute", "UDPRoute"};
constexpr std::array<std::string_view, 10> kGatewayKinds = {
    "GatewayClass", "Gateway",  "HTTPRoute",      "GRPCRoute",       "TLSRoute",
    "TCPRoute",     "UDPRoute", "ReferenceGrant", "ReferencePolicy", "BackendTLSPolicy"};
constexpr std::array<std::string_view, 3> kSecurityKinds = {
    "AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"};
constexpr std::array<std::string_view, 7> kNetworkingKinds = {
    "DestinationRule", "Gateway",       "ServiceEntry", "Sidecar",
    "VirtualService",  "WorkloadEntry", "WorkloadGroup"};
constexpr std::array<std::string_view, 1> kTelemetryKinds = {"Telemetry"};

struct OldVersion {
  std::string_view api_version;
  std::span<const std::string_view> kinds;
  std::string_view target;
  bool served;  // as yet
};
constexpr std::array<OldVersion, 8> kOldVersions = {{
    {"networking.x-k8s.io/v1alpha1", kAlpha1Kinds, "gateway.networking.k8s.io/v1", false},
    {"gateway.networking.k8s.io/v1alpha2", kGatewayKinds, "gateway.networking.k8s.io/v1", false},
    {"gateway.networking.k8s.io/v1alpha3", kGatewayKinds, "gateway.networking.k8s.io/v1", false},
    {"gateway.networking.k8s.io/v1beta1", kGatewayKinds, "gateway.networking.k8s.io/v1", true},
    {"security.istio.io/v1beta1", kSecurityKinds, "security.istio.io/v1", true},
    {"networking.istio.io/v1alpha3", kNetworkingKinds, "networking.istio.io/v1", true},
    {"networking.istio.io/v1beta1", kNetworkingKinds, "networking.istio.io/v1", true},
    {"telemetry.istio.io/v1alpha1", kTelemetryKinds, "telemetry.istio.io/v1", true},
}};

const OldVersion* OldVersionOf(const ManifestName& name) {
  for (const OldVersion& old : kOldVersions) {
    if (old.api_version != name.api_version) continue;
    if (std::find(old.kinds.begin(), old.kinds.end(), name.kind) != old.kinds.end()) return &old;
  }
  return nullptr;
}

std::string_view VersionIn(std::string_view api_version) {
  return api_version.substr(api_version.find('/') + 1);
}

bool IsList(const OrderedJson& object) {
  const OrderedJson* items = Find(&object, "items");
  return TextOf(&object, "kind") == "List" && items != nullptr && items->is_array();
}

class Converter {
 public:
  explicit Converter(const ConvertOptions& options)
      : options_(options), choosers_(options.name_space) {}

  // First everything that others depend on.
  void Learn(const OrderedJson& object, int depth = 0) {
    if (IsList(object) && depth < kMaxLists) {
      for (const OrderedJson& item : *Find(&object, "items")) Learn(item, depth + 1);
      return;
    }
    choosers_.Add(object);
    neighbours_.Add(object, options_.name_space);
  }

  void Put(OrderedJson object, std::vector<OrderedJson>& out, int depth = 0) {
    if (IsList(object) && depth < kMaxLists) {
      OrderedJson& items = *Find(&object, "items");
      std::vector<OrderedJson> converted;
      for (OrderedJson& item : items) Put(std::move(item), converted, depth + 1);
      items = std::move(converted);
      out.push_back(std::move(object));
      return;
    }
    const ManifestName name = NameOf(object, options_.name_space);
    const OldVersion* old = OldVersionOf(name);
    const bool meshed = name.api_version.starts_with(kGatewayGroup) && HasMeshParent(object);
    if ((old == nullptr && !meshed) || name.name.empty()) {
      if (old != nullptr) Fail(name.kind, "metadata.name is needed to convert it");
      out.push_back(std::move(object));
      return;
    }
    Change(std::move(object), name, old, out);
  }

  Conversion Take(std::vector<OrderedJson> objects) {
    result_.objects = std::move(objects);
    return std::move(result_);
  }

 private:
  // Lists in lists are nobody's; deeper ones stay as they are.
  static constexpr int kMaxLists = 2;

  void Fail(const std::string& object, const std::string& why) {
    result_.failed.push_back(object + ": " + why);
  }

  void Change(OrderedJson object, const ManifestName& name, const OldVersion* old,
              std::vector<OrderedJson>& out) {
    Rewritten rewritten;
    if (old == nullptr) {
      rewritten.objects.push_back(object);
    } else {
      Decoded<Rewritten> changed = Rewrite(object, name);
      if (!changed.ok()) {
        Fail(name.ToString(), changed.error().ToString() + "; it is left as it was");
        out.push_back(std::move(object));
        return;
      }
      rewritten = *std::move(changed);
    }
    std::string sentence = name.ToString() + ":";
    if (old != nullptr) {
      const bool same_group = name.api_version.starts_with(kGatewayGroup) || old->served;
      sentence +=
          " " + name.api_version + (old->served ? " is on its way out" : " is no longer served");
      sentence += "; written as " + std::string(same_group ? VersionIn(old->target) : old->target);
    } else {
      sentence += " a parent of kind Mesh is no longer served; written as Services";
    }
    for (OrderedJson& each : rewritten.objects) {
      if (old != nullptr) {
        each["apiVersion"] = std::string(old->target);
        each.erase("status");
      }
      Finish(std::move(each), name, rewritten.remarks, out);
    }
    for (const std::string& remark : rewritten.remarks) sentence += "; " + remark;
    result_.done.push_back(std::move(sentence));
  }

  // With the parents of kind Mesh out of it.
  void Finish(OrderedJson object, const ManifestName& name, std::vector<std::string>& remarks,
              std::vector<OrderedJson>& out) {
    const bool is_route =
        name.kind.ends_with("Route") && TextOf(&object, "apiVersion").starts_with(kGatewayGroup);
    if (!is_route || !HasMeshParent(object)) {
      out.push_back(std::move(object));
      return;
    }
    Decoded<Rewritten> meshed = RewriteMeshParent(object, options_.name_space, neighbours_);
    if (!meshed.ok()) {
      Fail(name.ToString(), meshed.error().ToString());
      out.push_back(std::move(object));
      return;
    }
    remarks.insert(remarks.end(), meshed->remarks.begin(), meshed->remarks.end());
    for (OrderedJson& each : meshed->objects) {
      neighbours_.Add(each, options_.name_space);
      out.push_back(std::move(each));
    }
  }

  Decoded<Rewritten> Rewrite(const OrderedJson& object, const ManifestName& name) {
    if (!name.api_version.starts_with(kAlpha1Group)) return RewriteAlpha2(object);
    if (name.kind == "GatewayClass") return RewriteGatewayClass(object);
    if (name.kind == "Gateway") return RewriteGateway(object);
    Choosers::Choice choice = choosers_.Of(object);
    if (choice.parents.empty() && options_.gateway) {
      choice.parents.push_back(
          ParentRef(options_.gateway->first, options_.gateway->second, name.name_space));
    }
    if (!choice.unknown.empty()) Fail(name.ToString(), choice.unknown);
    if (choice.parents.empty()) {
      Fail(name.ToString(),
           "no Gateway of the input has chosen it, so that it gets no parentRefs; --gateway "
           "NAMESPACE/NAME names one");
    }
    return RewriteRoute(object, std::move(choice.parents));
  }

  const ConvertOptions& options_;
  Choosers choosers_;
  MeshNeighbours neighbours_;
  Conversion result_;
};

}  // namespace

Conversion Convert(std::vector<OrderedJson> objects, const ConvertOptions& options) {
  Converter converter(options);
  for (const OrderedJson& object : objects) converter.Learn(object);
  std::vector<OrderedJson> converted;
  for (OrderedJson& object : objects) converter.Put(std::move(object), converted);
  return converter.Take(std::move(converted));
}

}  // namespace aquifer::cli
