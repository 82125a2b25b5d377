#include "control/config.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "certs/identity.h"
#include "control/names.h"
#include "core/app/arguments.h"
#include "core/app/setting_values.h"

namespace aquifer::control {
namespace {

struct Flag {
  const char* name;
  const char* value;
  const char* help;
  std::function<bool(ControlConfig&, const std::string&)> apply;  // false: not such a value
};

bool SetText(std::string& to, const std::string& value) {
  to = value;
  return !value.empty();
}

bool SetAddress(Address& to, const std::string& value) {
  const std::optional<Address> address = Address::Parse(value);
  if (address) to = *address;
  return address.has_value();
}

bool SetAccounts(std::set<std::pair<std::string, std::string>>& to, const std::string& list) {
  to.clear();
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, comma - at);
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string space = name.substr(0, slash);
    const std::string account = name.substr(std::min(slash + 1, name.size()));
    if (!IsDnsLabel(space) || !IsDnsSubdomain(account)) return false;
    to.emplace(space, account);
    at = comma + 1;
  }
  return true;
}

bool SetObject(std::pair<std::string, std::string>& to, const std::string& value) {
  const std::size_t slash = std::min(value.find('/'), value.size());
  to = {value.substr(0, slash), value.substr(std::min(slash + 1, value.size()))};
  return IsDnsLabel(to.first) && IsDnsSubdomain(to.second);
}

// What the mesh is made from, and who may ask about it.
std::vector<Flag> SourceFlags() {
  return {
      {"--manifests", "DIR",
       "manifests (*.yaml, *.yml, *.json) that make the mesh; followed as they change",
       [](ControlConfig& c, const std::string& v) { return SetText(c.manifests, v); }},
      {"--kubernetes", "in-cluster|FILE",
       "the cluster that makes the mesh, instead: that of this pod, or of a kubeconfig",
       [](ControlConfig& c, const std::string& v) { return SetText(c.kubernetes, v); }},
      {"--captured-by", "labels|annotation",
       "what says that a pod is captured: the labels that ask for it (default with --manifests) or "
       "ambient.istio.io/redirection on the pod (default with --kubernetes)",
       [](ControlConfig& c, const std::string& v) {
         using Capture = MeshSettings::Capture;
         c.mesh.capture = v == "labels" ? Capture::kLabels : Capture::kAnnotation;
         return v == "labels" || v == "annotation";
       }},
      {"--node-accounts", "NAMES",
       "service accounts of node proxies on a cluster, NAMESPACE/NAME with commas between (default "
       "aquifer-system/aquifer-node,istio-system/ztunnel,kube-system/ztunnel)",
       [](ControlConfig& c, const std::string& v) { return SetAccounts(c.node_accounts, v); }},
      {"--token-audience", "NAME", "whom service accounts' tokens are for (default istio-ca)",
       [](ControlConfig& c, const std::string& v) { return SetText(c.token_audience, v); }},
      {"--cluster-writes", "on|off",
       "whether a leader of the replicas writes statuses to the cluster (default on)",
       [](ControlConfig& c, const std::string& v) {
         c.cluster_writes = v == "on";
         return v == "on" || v == "off";
       }},
      {"--leader-namespace", "NAME",
       "where the replicas' Lease is (default: that of this pod by POD_NAMESPACE, else "
       "aquifer-system)",
       [](ControlConfig& c, const std::string& v) {
         return IsDnsLabel(v) && SetText(c.leader_namespace, v);
       }},
      {"--class-owner", "auto|aquifer|istio",
       "whose the GatewayClasses istio, istio-waypoint and istio-remote are; auto (default with "
       "--kubernetes): ours unless a GatewayClass of Istio's controllers is there; aquifer "
       "(default with --manifests)",
       [](ControlConfig& c, const std::string& v) {
         using Owner = MeshSettings::ClassOwner;
         c.mesh.class_owner = v == "auto"    ? Owner::kAuto
                              : v == "istio" ? Owner::kIstio
                                             : Owner::kAquifer;
         return v == "auto" || v == "istio" || v == "aquifer";
       }},
      {"--state", "DIR", "the CA's root and the callers' tokens (default /var/lib/aquifer)",
       [](ControlConfig& c, const std::string& v) { return SetText(c.state, v); }},
      {"--ca-secret", "NAMESPACE/NAME",
       "with --kubernetes: the Secret with the CA that all replicas share, made if it is missing "
       "(default: each has its own, of --state)",
       [](ControlConfig& c, const std::string& v) { return SetObject(c.ca_secret, v); }},
  };
}

// What is written into a cluster.
std::vector<Flag> DeployFlags() {
  return {
      {"--gateway-image", "IMAGE",
       "of aquifer-waypoint, for the pods of Gateways on a cluster (default: nothing is deployed)",
       [](ControlConfig& c, const std::string& v) { return SetText(c.deploy.image, v); }},
      {"--control-address", "HOST:PORT",
       "where those pods find us (default aquifer-control.aquifer-system.svc:15012)",
       [](ControlConfig& c, const std::string& v) {
         const Decoded<std::string> address = app::ReadServerAddress(v);
         return address.ok() && SetText(c.deploy.control_address, *address);
       }},
      {"--root-config-map", "NAME",
       "ConfigMap with our root to keep in every namespace of a cluster, for example "
       "istio-ca-root-cert (default: none)",
       [](ControlConfig& c, const std::string& v) {
         return IsDnsSubdomain(v) && SetText(c.deploy.root_config_map, v);
       }},
  };
}

std::vector<Flag> ServingFlags() {
  return {
      {"--listen", "IP:PORT", "xDS and CA over TLS (default 0.0.0.0:15012)",
       [](ControlConfig& c, const std::string& v) { return SetAddress(c.listen, v); }},
      {"--admin", "IP:PORT",
       "/metrics, /healthz/ready; /status, /resources and /logging from this machine only "
       "(default 0.0.0.0:15014)",
       [](ControlConfig& c, const std::string& v) { return SetAddress(c.admin, v); }},
      {"--host-names", "NAMES",
       "names and addresses of our server certificate beside that of --listen, with commas between "
       "(default localhost,istiod.istio-system.svc,aquifer-control.aquifer-system.svc)",
       [](ControlConfig& c, const std::string& v) { return SetText(c.host_names, v); }},
      {"--trust-domain", "NAME", "of all identities (default cluster.local)",
       [](ControlConfig& c, const std::string& v) {
         return certs::IsTrustDomain(v) && SetText(c.mesh.trust_domain, v);
       }},
      {"--cluster-id", "ID", "default Kubernetes",
       [](ControlConfig& c, const std::string& v) { return SetText(c.mesh.cluster_id, v); }},
      {"--network", "ID", "of all pods (default: the one without a name)",
       [](ControlConfig& c, const std::string& v) { return SetText(c.mesh.network, v); }},
      {"--root-namespace", "NAME", "whose policies are the mesh's (default istio-system)",
       [](ControlConfig& c, const std::string& v) {
         return IsDnsLabel(v) && SetText(c.mesh.root_namespace, v);
       }},
      {"--cluster-domain", "NAME", "the end of service names (default cluster.local)",
       [](ControlConfig& c, const std::string& v) {
         return IsDnsSubdomain(v) && SetText(c.mesh.cluster_domain, v);
       }},
      {"--missing-waypoint", "refuse|bypass",
       "traffic to what has a waypoint that is not there (default refuse)",
       [](ControlConfig& c, const std::string& v) {
         using Missing = MeshSettings::MissingWaypoint;
         c.mesh.missing_waypoint = v == "bypass" ? Missing::kBypass : Missing::kRefuse;
         return v == "bypass" || v == "refuse";
       }},
      {"--io-backend", "auto|io_uring|epoll",
       "how the kernel is reached (default auto: epoll where io_uring is refused)",
       [](ControlConfig& c, const std::string& v) {
         const auto backend = app::ReadIoBackend(v);
         if (backend) c.io_backend = *backend;
         return backend.ok();
       }},
      {"--log-format", "text|json", "default text",
       [](ControlConfig& c, const std::string& v) {
         c.log_format = v == "json" ? obs::LogFormat::kJson : obs::LogFormat::kText;
         return v == "json" || v == "text";
       }},
      {"--log-level", "LEVELS", "such as info (default) or info,xds=debug",
       [](ControlConfig& c, const std::string& v) { return SetText(c.log_levels, v); }},
  };
}

const std::vector<Flag>& Flags() {
  static const std::vector<Flag> flags = [] {
    std::vector<Flag> all = SourceFlags();
    for (Flag& flag : DeployFlags()) all.push_back(std::move(flag));
    for (Flag& flag : ServingFlags()) all.push_back(std::move(flag));
    return all;
  }();
  return flags;
}

}  // namespace

std::string HelpText() {
  std::string text =
      "aquifer-control: the control plane of Aquifer\n\n"
      "  aquifer-control --manifests DIR [FLAG VALUE]...\n"
      "  aquifer-control --kubernetes in-cluster|FILE [FLAG VALUE]...\n\n";
  for (const Flag& flag : Flags()) {
    std::string left = std::string("  ") + flag.name + " " + flag.value;
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    text += left + flag.help + "\n";
  }
  text +=
      "  --check                   read the manifests once, say what is wrong with them, and end\n";
  return text;
}

Decoded<ControlConfig> ParseFlags(std::span<char* const> arguments) {
  std::vector<app::Flag> flags = {{"--check", ""}, {"--help", ""}};
  for (const Flag& flag : Flags()) flags.push_back({flag.name, flag.value});
  const std::vector<std::string_view> words(arguments.begin(), arguments.end());
  AQ_TRY(const app::Arguments given, app::Arguments::Parse(words, flags));
  ControlConfig config;
  config.help = given.Has("--help");
  config.check = given.Has("--check");
  for (const std::string& word : given.plain()) {
    if (word != "-h" && word != "help") return Refusal{word, "is no flag here"};
    config.help = true;
  }
  if (config.help) return config;
  for (const Flag& flag : Flags()) {
    const std::string value = given.Value(flag.name);
    if (given.Has(flag.name) && !flag.apply(config, value))
      return Refusal{flag.name, std::string("is not ") + flag.value + ": " + value};
  }
  if (config.manifests.empty() && config.kubernetes.empty())
    return Refusal{"--manifests", "or --kubernetes is needed"};
  if (!config.manifests.empty() && !config.kubernetes.empty())
    return Refusal{"--kubernetes", "and --manifests exclude each other"};
  if (!config.ca_secret.second.empty() && config.kubernetes.empty())
    return Refusal{"--ca-secret", "is for --kubernetes"};
  if (config.check && config.manifests.empty()) return Refusal{"--check", "is for --manifests"};
  for (const char* flag : {"--gateway-image", "--root-config-map"}) {
    if (given.Has(flag) && config.kubernetes.empty()) return Refusal{flag, "is for --kubernetes"};
  }
  config.deploy.token_audience = config.token_audience;
  if (!config.kubernetes.empty() && !given.Has("--captured-by"))
    config.mesh.capture = MeshSettings::Capture::kAnnotation;
  if (!config.kubernetes.empty() && !given.Has("--class-owner"))
    config.mesh.class_owner = MeshSettings::ClassOwner::kAuto;
  return config;
}

}  // namespace aquifer::control
