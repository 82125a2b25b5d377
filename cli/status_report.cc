#include "cli/status_report.h"

#include <algorithm>
#include <map>

#include "control/reconcile/waypoints.h"

namespace aquifer::cli {
namespace {

constexpr std::string_view kRedirection = "ambient.istio.io/redirection";
constexpr const char* kReady = "ready";

std::string NameOf(const control::Meta& meta) { return meta.namespace_name + "/" + meta.name; }

std::string StateOf(const std::vector<OurPod>& ours, std::string_view part, const std::string& node,
                    std::string* version) {
  std::string state = "missing";
  for (const OurPod& pod : ours) {
    if (pod.part != part || pod.node != node) continue;
    // While one is replaced by another, the one that serves counts.
    if (state == kReady) continue;
    state = pod.ready ? kReady : "not ready";
    if (version != nullptr) *version = pod.version;
  }
  return state;
}

// What the labels ask for, whatever is there; the agent's own answer is the annotation.
control::MeshSettings ByLabels(control::MeshSettings settings) {
  settings.capture = control::MeshSettings::Capture::kLabels;
  return settings;
}

std::string CaptureOf(const control::Pod& pod, bool wanted, bool by_labels) {
  if (by_labels) return wanted ? "captured" : "";
  const std::string_view word = control::LabelOf(pod.meta.annotations, kRedirection);
  if (word == "enabled") return wanted ? "captured" : "leaving";
  return wanted ? "pending" : "";
}

class Reporter {
 public:
  Reporter(const Model& model, const std::vector<OurPod>& ours) : model_(model), ours_(ours) {}

  StatusReport Run() {
    for (const auto& [key, node] : model_.objects().nodes) AddNode(node);
    AddPods();
    AddWaypoints();
    return std::move(report_);
  }

 private:
  void AddNode(const control::Node& node) {
    NodeStatus status;
    status.name = node.meta.name;
    status.agent = StateOf(ours_, "cni", node.meta.name, nullptr);
    status.proxy = StateOf(ours_, "node", node.meta.name, &status.version);
    report_.nodes.push_back(std::move(status));
  }

  // Without the annotation: what MeshIndex says by labels counts a pod that has it as wanted.
  static control::Pod Unmarked(const control::Pod& pod) {
    control::Pod copy = pod;
    copy.meta.annotations.erase(std::string(kRedirection));
    return copy;
  }

  void AddPods() {
    const control::MeshSettings settings = ByLabels(model_.settings());
    const control::MeshIndex index(model_.objects(), settings);
    const bool by_labels = model_.settings().capture == control::MeshSettings::Capture::kLabels;
    std::map<std::string, NamespaceStatus> spaces;
    for (const control::Pod* pod : index.live_pods()) {
      const bool wanted = index.IsCaptured(Unmarked(*pod));
      std::string capture = CaptureOf(*pod, wanted, by_labels);
      if (capture.empty()) continue;
      NamespaceStatus& space = spaces[pod->meta.namespace_name];
      space.name = pod->meta.namespace_name;
      space.wanted += wanted ? 1 : 0;
      space.captured += capture == "captured" ? 1 : 0;
      report_.pods.push_back({NameOf(pod->meta), pod->node_name, std::move(capture)});
    }
    for (const auto& [key, object] : model_.objects().namespaces) {
      const std::string& name = object.meta.name;
      if (index.NamespaceLabel(name, "istio.io/dataplane-mode") == "ambient")
        spaces[name].name = name;
    }
    for (auto& [name, space] : spaces) report_.namespaces.push_back(std::move(space));
  }

  void AddWaypoints() {
    const control::GatewayMap gateways = control::BindGateways(model_.index());
    const control::WaypointResolver resolver(model_.index(), gateways);
    std::map<const control::BoundGateway*, std::vector<std::string>> bound;
    for (const auto& [key, service] : model_.objects().services)
      bound[resolver.ForService(service).gateway].push_back("Service " + NameOf(service.meta));
    for (const control::Pod* pod : model_.index().live_pods())
      bound[resolver.ForPod(*pod).gateway].push_back("Pod " + NameOf(pod->meta));
    for (const auto& [key, entry] : model_.objects().service_entries)
      bound[resolver.ForServiceEntry(entry).gateway].push_back("ServiceEntry " +
                                                               NameOf(entry.meta));
    for (const auto& [key, gateway] : gateways) {
      if (gateway.role == control::GatewayRole::kWaypoint)
        AddWaypoint(gateway, std::move(bound[&gateway]));
    }
  }

  void AddWaypoint(const control::BoundGateway& gateway, std::vector<std::string> bound) {
    WaypointStatus status;
    status.name = NameOf(gateway.object->meta);
    status.for_traffic = ScopeWord(gateway.scope);
    status.bound = std::move(bound);
    for (const control::StatusAddress& address : control::AddressesOf(gateway, model_.index()))
      status.addresses.push_back(address.value);
    const control::Condition* const programmed =
        model_.ConditionOf(control::Kind::kGateway, gateway.object->meta, "Programmed");
    status.programmed = programmed != nullptr && programmed->status;
    if (!status.programmed && programmed != nullptr)
      status.why = programmed->message.empty() ? programmed->reason : programmed->message;
    report_.waypoints.push_back(std::move(status));
  }

  static std::string ScopeWord(control::WaypointScope scope) {
    switch (scope) {
      case control::WaypointScope::kService:
        return "service";
      case control::WaypointScope::kWorkload:
        return "workload";
      case control::WaypointScope::kAll:
        return "all";
      case control::WaypointScope::kNone:
        return "none";
    }
    return "none";
  }

  const Model& model_;
  const std::vector<OurPod>& ours_;
  StatusReport report_;
};

Cell Painted(const std::string& text, std::string_view good) {
  return {text, text == good ? Colour::kGood : Colour::kBad};
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "-" : text;
}

}  // namespace

bool StatusReport::good() const {
  return std::all_of(
             nodes.begin(), nodes.end(),
             [](const NodeStatus& node) { return node.agent == kReady && node.proxy == kReady; }) &&
         std::all_of(pods.begin(), pods.end(),
                     [](const PodStatus& pod) { return pod.capture == "captured"; }) &&
         std::all_of(waypoints.begin(), waypoints.end(),
                     [](const WaypointStatus& waypoint) { return waypoint.programmed; });
}

StatusReport StatusOf(const Model& model, const std::vector<OurPod>& ours) {
  return Reporter(model, ours).Run();
}

void Print(const StatusReport& report, Output& out) {
  std::vector<std::vector<Cell>> rows;
  for (const NodeStatus& node : report.nodes)
    rows.push_back({node.name, Painted(node.agent, kReady), Painted(node.proxy, kReady),
                    node.version.empty() ? "-" : node.version});
  out.Table({"NODE", "AGENT", "PROXY", "VERSION"}, rows);
  out.Write("\n");
  rows.clear();
  for (const NamespaceStatus& space : report.namespaces)
    rows.push_back(
        {space.name, std::to_string(space.captured) + "/" + std::to_string(space.wanted)});
  out.Table({"NAMESPACE", "CAPTURED"}, rows);
  out.Write("\n");
  rows.clear();
  for (const PodStatus& pod : report.pods)
    rows.push_back({pod.name, pod.node.empty() ? "-" : pod.node, Painted(pod.capture, "captured")});
  out.Table({"POD", "NODE", "CAPTURE"}, rows);
  out.Write("\n");
  rows.clear();
  for (const WaypointStatus& waypoint : report.waypoints)
    rows.push_back({waypoint.name, waypoint.for_traffic,
                    Painted(waypoint.programmed ? "yes" : "no: " + waypoint.why, "yes"),
                    Joined(waypoint.addresses), Joined(waypoint.bound)});
  out.Table({"WAYPOINT", "FOR", "PROGRAMMED", "ADDRESSES", "BOUND"}, rows);
}

OrderedJson DocumentOf(const StatusReport& report) {
  OrderedJson value = {{"good", report.good()},
                       {"nodes", OrderedJson::array()},
                       {"namespaces", OrderedJson::array()},
                       {"pods", OrderedJson::array()},
                       {"waypoints", OrderedJson::array()}};
  for (const NodeStatus& node : report.nodes)
    value["nodes"].push_back({{"name", node.name},
                              {"agent", node.agent},
                              {"proxy", node.proxy},
                              {"version", node.version}});
  for (const NamespaceStatus& space : report.namespaces)
    value["namespaces"].push_back(
        {{"name", space.name}, {"captured", space.captured}, {"wanted", space.wanted}});
  for (const PodStatus& pod : report.pods)
    value["pods"].push_back({{"name", pod.name}, {"node", pod.node}, {"capture", pod.capture}});
  for (const WaypointStatus& waypoint : report.waypoints)
    value["waypoints"].push_back({{"name", waypoint.name},
                                  {"for", waypoint.for_traffic},
                                  {"programmed", waypoint.programmed},
                                  {"why", waypoint.why},
                                  {"addresses", waypoint.addresses},
                                  {"bound", waypoint.bound}});
  return value;
}

}  // namespace aquifer::cli
