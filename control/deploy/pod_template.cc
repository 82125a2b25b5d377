#include "control/deploy/pod_template.h"

namespace aquifer::control {
namespace {

// Istio's name of the container, so that overlays written for Istio and `kubectl logs -c` hold.
constexpr const char* kContainer = "istio-proxy";
constexpr int kUser = 1337;
constexpr int kGracePeriodSeconds = 30;
// A pod that is deleted serves on for so long before it is asked to end: its successor is started
// at the same moment.
constexpr int kServesOnSeconds = 5;
constexpr int kTokenSeconds = 43'200;
constexpr int kStatsPort = 15020;
constexpr int kReadyPort = 15021;
constexpr const char* kRootFolder = "/var/run/secrets/istio";
constexpr const char* kTokenFolder = "/var/run/secrets/tokens";

Json Value(std::string_view name, std::string_view value) {
  return {{"name", name}, {"value", value}};
}

Json FromPod(std::string_view name, std::string_view path) {
  return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", path}}}}}};
}

Json Environment(const DeploymentParts& parts) {
  const std::string root = std::string(kRootFolder) + "/" + std::string(kRootKey);
  const MeshSettings& mesh = parts.mesh;
  Json env = Json::array();
  env.push_back(Value("GATEWAY_NAME", parts.gateway.meta.name));
  env.push_back(FromPod("POD_NAME", "metadata.name"));
  env.push_back(FromPod("POD_NAMESPACE", "metadata.namespace"));
  env.push_back(FromPod("SERVICE_ACCOUNT", "spec.serviceAccountName"));
  env.push_back(FromPod("INSTANCE_IP", "status.podIP"));
  env.push_back(FromPod("NODE_NAME", "spec.nodeName"));
  env.push_back(Value("XDS_ADDRESS", parts.settings.control_address));
  env.push_back(Value("CA_ADDRESS", parts.settings.control_address));
  env.push_back(Value("XDS_ROOT_CA", root));
  env.push_back(Value("CA_ROOT_CA", root));
  env.push_back(Value("AUTH_TOKEN", std::string(kTokenFolder) + "/istio-token"));
  env.push_back(Value("CLUSTER_ID", mesh.cluster_id));
  env.push_back(Value("CLUSTER_DOMAIN", mesh.cluster_domain));
  env.push_back(Value("TRUST_DOMAIN", mesh.trust_domain));
  // The API server drops an empty value, which would look like a change.
  if (!mesh.network.empty()) env.push_back(Value("NETWORK", mesh.network));
  env.push_back(Value("TERMINATION_GRACE_PERIOD_SECONDS", std::to_string(kGracePeriodSeconds)));
  return env;
}

// A gateway's listeners are not among them: the pod opens and closes those as the Gateway changes,
// and a port here would have it replaced.
Json Ports(GatewayRole role) {
  const auto port = [](const char* name, int number) {
    return Json{{"name", name}, {"containerPort", number}, {"protocol", "TCP"}};
  };
  Json ports = Json::array();
  ports.push_back(port("metrics", kStatsPort));
  ports.push_back(port("status-port", kReadyPort));
  if (role == GatewayRole::kWaypoint) ports.push_back(port("hbone", kHbonePort));
  return ports;
}

Json Container(const DeploymentParts& parts) {
  Json container;
  container["name"] = kContainer;
  container["image"] = parts.settings.image;
  container["command"] = Json::array({"aquifer-waypoint"});
  container["env"] = Environment(parts);
  container["ports"] = Ports(parts.role);
  container["readinessProbe"] = {
      {"httpGet", {{"path", "/healthz/ready"}, {"port", kReadyPort}}},
      {"periodSeconds", 2},
      {"timeoutSeconds", 2},
      {"failureThreshold", 3},
  };
  container["lifecycle"]["preStop"]["sleep"]["seconds"] = kServesOnSeconds;
  container["resources"] = {
      {"requests", {{"cpu", "100m"}, {"memory", "128Mi"}}},
      {"limits", {{"cpu", "2"}, {"memory", "1Gi"}}},
  };
  container["securityContext"] = {
      {"allowPrivilegeEscalation", false},
      {"capabilities", {{"drop", Json::array({"ALL"})}}},
      {"privileged", false},
      {"readOnlyRootFilesystem", true},
      {"runAsGroup", kUser},
      {"runAsNonRoot", true},
      {"runAsUser", kUser},
  };
  Json root = {{"name", "root"}, {"mountPath", kRootFolder}, {"readOnly", true}};
  Json token = {{"name", "token"}, {"mountPath", kTokenFolder}, {"readOnly", true}};
  container["volumeMounts"] = Json::array({std::move(root), std::move(token)});
  return container;
}

Json Volumes(const DeploySettings& settings) {
  const std::string config_map = settings.root_config_map.empty()
                                     ? std::string(kDefaultRootConfigMap)
                                     : settings.root_config_map;
  Json source;
  source["serviceAccountToken"] = {{"audience", settings.token_audience},
                                   {"expirationSeconds", kTokenSeconds},
                                   {"path", "istio-token"}};
  Json root = {{"name", "root"}, {"configMap", {{"name", config_map}}}};
  Json token = {{"name", "token"}, {"projected", {{"sources", Json::array({std::move(source)})}}}};
  return Json::array({std::move(root), std::move(token)});
}

// A wish only: one machine with room for both pods is better than a pod that waits.
Json Spread(const Gateway& gateway) {
  Json spread = Json::array();
  for (const char* key : {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}) {
    Json one = {{"topologyKey", key}, {"maxSkew", 1}, {"whenUnsatisfiable", "ScheduleAnyway"}};
    one["labelSelector"]["matchLabels"][std::string(kGatewayNameLabel)] = gateway.meta.name;
    spread.push_back(std::move(one));
  }
  return spread;
}

Json SecurityContext(GatewayRole role) {
  // The group is what lets the user read the token.
  Json context = {{"fsGroup", kUser},
                  {"runAsGroup", kUser},
                  {"runAsNonRoot", true},
                  {"runAsUser", kUser},
                  {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (role == GatewayRole::kIngress) {
    // Listeners are mostly on 80 and 443, and whoever may bind those needs a capability otherwise.
    Json sysctl = {{"name", "net.ipv4.ip_unprivileged_port_start"}, {"value", "0"}};
    context["sysctls"] = Json::array({std::move(sysctl)});
  }
  return context;
}

Labels PodLabels(const DeploymentParts& parts) {
  const Gateway& gateway = parts.gateway;
  Labels labels = CopiedLabels(gateway);
  labels.emplace("service.istio.io/canonical-name", parts.names.name);
  labels.emplace("service.istio.io/canonical-revision", "latest");
  // A gateway may be told to be captured; a waypoint that were captured would wait for itself.
  if (parts.role == GatewayRole::kWaypoint) {
    labels["istio.io/dataplane-mode"] = "none";
  } else {
    labels.emplace("istio.io/dataplane-mode", "none");
  }
  labels["sidecar.istio.io/inject"] = "false";
  // What policies of the annotation's days select a waypoint by.
  if (gateway.meta.annotations.contains(kForServiceAccount))
    labels["istio.io/gateway-name"] = gateway.meta.name;
  labels[std::string(kGatewayClassLabel)] = gateway.class_name;
  for (const auto& [key, value] : MarksOf(gateway)) labels[key] = value;
  return labels;
}

Labels WithoutOurs(const Labels& entries) {
  Labels copied;
  for (const auto& [key, value] : entries) {
    const bool ours = key.starts_with("gateway.networking.k8s.io/") ||
                      key.starts_with("aquifer.io/") || key.starts_with("kubectl.kubernetes.io/") ||
                      key == kManagedLabel || key == kNameOverride || key == kAccountOverride ||
                      key == "gateway.istio.io/controller-version";
    if (!ours) copied.emplace(key, value);
  }
  return copied;
}

}  // namespace

Labels CopiedLabels(const Gateway& gateway) {
  const Labels& of_infrastructure = gateway.infrastructure.labels;
  return WithoutOurs(of_infrastructure.empty() ? gateway.meta.labels : of_infrastructure);
}

Labels CopiedAnnotations(const Gateway& gateway) {
  const Labels& of_infrastructure = gateway.infrastructure.annotations;
  return WithoutOurs(of_infrastructure.empty() ? gateway.meta.annotations : of_infrastructure);
}

Labels MarksOf(const Gateway& gateway) {
  return {{std::string(kManagedLabel), std::string(kManaged)},
          {std::string(kGatewayNameLabel), gateway.meta.name}};
}

Json PodTemplate(const DeploymentParts& parts) {
  Labels annotations = CopiedAnnotations(parts.gateway);
  annotations.emplace("prometheus.io/path", "/stats/prometheus");
  annotations.emplace("prometheus.io/port", std::to_string(kStatsPort));
  annotations.emplace("prometheus.io/scrape", "true");
  Json pod;
  pod["metadata"] = {{"labels", PodLabels(parts)}, {"annotations", annotations}};
  Json& spec = pod["spec"];
  spec["serviceAccountName"] = parts.names.service_account;
  spec["automountServiceAccountToken"] = false;  // it asks the API server nothing
  spec["terminationGracePeriodSeconds"] = kServesOnSeconds + kGracePeriodSeconds;
  spec["securityContext"] = SecurityContext(parts.role);
  spec["containers"] = Json::array({Container(parts)});
  spec["volumes"] = Volumes(parts.settings);
  spec["topologySpreadConstraints"] = Spread(parts.gateway);
  return pod;
}

}  // namespace aquifer::control
