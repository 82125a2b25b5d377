#include "cli/install/leave.h"

#include <array>

#include "cli/cluster.h"
#include "cli/install/manifest.h"

namespace aquifer::cli {
namespace {

constexpr size_t kNamed = 5;  // of many
constexpr const char* kPart = "labelSelector=app.kubernetes.io%2Fpart-of%3Daquifer";
constexpr const char* kManaged = "labelSelector=gateway.istio.io%2Fmanaged%3Daquifer.io-controller";

constexpr std::array<Removal, 11> kRemovals = {{
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", kPart},
    {"rbac.authorization.k8s.io/v1", "ClusterRole", kPart},
    {"scheduling.k8s.io/v1", "PriorityClass", kPart},
    {"apiextensions.k8s.io/v1", "CustomResourceDefinition", kPart},
    {"gateway.networking.k8s.io/v1", "GatewayClass", ""},
    {"apps/v1", "Deployment", kManaged},
    {"v1", "Service", kManaged},
    {"v1", "ServiceAccount", kManaged},
    {"autoscaling/v2", "HorizontalPodAutoscaler", kManaged},
    {"policy/v1", "PodDisruptionBudget", kManaged},
    {"v1", "ConfigMap", "labelSelector=app.kubernetes.io%2Fmanaged-by%3Daquifer-control"},
}};

const Json* ItemNamed(const Json* list, std::string_view name) {
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const Json& item : *list) {
    if (TextAt(item, {"name"}) == name) return &item;
  }
  return nullptr;
}

std::string FolderOf(const Json& agent, std::string_view volume) {
  const Json* item = ItemNamed(ValueAt(agent, {"spec", "template", "spec", "volumes"}), volume);
  return item == nullptr ? "" : TextAt(*item, {"hostPath", "path"});
}

Json Container(const char* name, const std::string& image, Json command, int user) {
  return {{"name", name},
          {"image", image},
          {"command", std::move(command)},
          {"securityContext",
           {{"runAsUser", user},
            {"allowPrivilegeEscalation", false},
            {"readOnlyRootFilesystem", true},
            {"capabilities", {{"drop", Json::array({"ALL"})}}}}}};
}

Json Volume(const char* name, const std::string& path) {
  return {{"name", name}, {"hostPath", {{"path", path}}}};
}

}  // namespace

Decoded<Json> LeaveDaemonSet(const Json& agent) {
  const Json* containers = ValueAt(agent, {"spec", "template", "spec", "containers"});
  const bool any = containers != nullptr && containers->is_array() && !containers->empty();
  const std::string image = any ? TextAt((*containers)[0], {"image"}) : "";
  const std::string config = FolderOf(agent, "config");
  const std::string plugins = FolderOf(agent, "plugins");
  if (image.empty() || config.empty() || plugins.empty())
    return Refusal{"DaemonSet aquifer-cni", "does not name its image, and volumes config, plugins"};
  const std::string program = "/usr/local/bin/aquifer-cni";
  Json leave =
      Container("leave", image,
                Json::array({program, "uninstall", "--conf-dir", config, "--bin-dir", plugins}), 0);
  Json mounts = Json::array();
  for (const auto& [name, path] : {std::pair("config", config), std::pair("plugins", plugins)})
    mounts.push_back({{"name", name}, {"mountPath", path}});
  leave["volumeMounts"] = std::move(mounts);
  Json pod = Json::object();
  pod["automountServiceAccountToken"] = false;
  pod["nodeSelector"] = {{"aquifer.io/leaves", "not-yet"}};
  pod["tolerations"] = Json::array({{{"operator", "Exists"}}});
  pod["initContainers"] = Json::array({std::move(leave)});
  pod["containers"] =
      Json::array({Container("done", image, Json::array({program, "version"}), 65532)});
  pod["volumes"] = Json::array({Volume("config", config), Volume("plugins", plugins)});
  const Json labels = {{"app", "aquifer-leave"}};
  Json object = {{"apiVersion", "apps/v1"}, {"kind", "DaemonSet"}};
  object["metadata"] = {{"name", "aquifer-leave"}, {"namespace", kSystemNamespace}};
  object["spec"]["selector"]["matchLabels"] = labels;
  object["spec"]["template"]["metadata"]["labels"] = labels;
  object["spec"]["template"]["spec"] = std::move(pod);
  return object;
}

std::string CapturedPods(const std::vector<Json>& pods) {
  std::string names;
  size_t count = 0;
  for (const Json& pod : pods) {
    if (TextAt(pod, {"metadata", "annotations", "ambient.istio.io/redirection"}).empty()) continue;
    if (++count > kNamed) continue;
    names += (names.empty() ? "" : " ") + TextAt(pod, {"metadata", "namespace"}) + "/" +
             TextAt(pod, {"metadata", "name"});
  }
  return count > kNamed ? names + " and " + std::to_string(count - kNamed) + " others" : names;
}

std::string NodesNotLeft(const Json& leave, const std::vector<Json>& pods) {
  const Json* wanted = ValueAt(leave, {"status", "desiredNumberScheduled"});
  // Until the new selector is counted with, there is nothing that all could have done.
  const Json* seen = ValueAt(leave, {"status", "observedGeneration"});
  const Json* generation = ValueAt(leave, {"metadata", "generation"});
  const bool counted = wanted != nullptr && wanted->is_number_integer() && seen != nullptr &&
                       generation != nullptr && *seen == *generation;
  std::string names;
  size_t done = 0;
  for (const Json& pod : pods) {
    const Json* statuses = ValueAt(pod, {"status", "initContainerStatuses"});
    const bool any = statuses != nullptr && statuses->is_array() && !statuses->empty();
    const Json* code = any ? ValueAt((*statuses)[0], {"state", "terminated", "exitCode"}) : nullptr;
    if (code != nullptr && *code == 0) {
      ++done;
    } else {
      names += (names.empty() ? "" : " ") + TextAt(pod, {"spec", "nodeName"});
    }
  }
  const auto all = counted ? wanted->get<std::int64_t>() : 0;
  if (all <= 0 || static_cast<std::int64_t>(done) < all)
    names += names.empty() ? "others" : " and others";
  return names;
}

std::span<const Removal> Removals() { return kRemovals; }

bool IsOurs(const Removal& removal, const Json& object) {
  if (std::string_view(removal.kind) != "GatewayClass") return true;
  const std::string controller = TextAt(object, {"spec", "controllerName"});
  return controller.starts_with("aquifer.io/") || controller.starts_with("aquifer.dev/");
}

}  // namespace aquifer::cli
