#include "cli/cluster.h"
#include "cli/commands.h"
#include "core/rt/timer.h"
#include "kube/list_page.h"
#include "kube/names.h"

namespace aquifer::cli {
namespace {

constexpr const char* kVersion = "gateway.networking.k8s.io/v1";
constexpr const char* kClasses[] = {"aquifer-waypoint", "istio-waypoint"};
constexpr const char* kFor = "istio.io/waypoint-for";
constexpr const char* kUse = "istio.io/use-waypoint";
constexpr CommandFlag kNameFlag = {"--name", "NAME", "of the waypoint (default: waypoint)"};

int Unreachable(const Context& context, const Cluster& cluster, const ApiFailure& failure) {
  return context.Failed("the API server at " + cluster.address() + ": " + failure.ToString());
}

std::string NameGiven(const Context& context) {
  const std::vector<std::string>& words = context.arguments.plain();
  return context.arguments.Value("--name", words.empty() ? "waypoint" : words[0]);
}

bool IsWaypoint(const Json& gateway) {
  const std::string given = TextAt(gateway, {"spec", "gatewayClassName"});
  return given == kClasses[0] || given == kClasses[1];
}

// "True", "False", or "" while nobody has said.
std::string ConditionOf(const Json& gateway, std::string_view type,
                        std::string* message = nullptr) {
  const Json* conditions = ValueAt(gateway, {"status", "conditions"});
  if (conditions == nullptr || !conditions->is_array()) return "";
  for (const Json& condition : *conditions) {
    if (TextAt(condition, {"type"}) != type) continue;
    // Of an older form of the Gateway.
    const Json* seen = ValueAt(condition, {"observedGeneration"});
    const Json* generation = ValueAt(gateway, {"metadata", "generation"});
    if (seen != nullptr && generation != nullptr && *seen < *generation) return "";
    if (message != nullptr) *message = TextAt(condition, {"message"});
    return TextAt(condition, {"status"});
  }
  return "";
}

Json WaypointObject(const Context& context, const std::string& name_space) {
  Json gateway = {{"apiVersion", kVersion}, {"kind", "Gateway"}};
  gateway["metadata"]["name"] = NameGiven(context);
  gateway["metadata"]["namespace"] = name_space;
  if (context.arguments.Has("--for"))
    gateway["metadata"]["labels"][kFor] = context.arguments.Value("--for");
  gateway["spec"]["gatewayClassName"] = context.arguments.Value("--class", kClasses[0]);
  Json listener = Json::object();
  listener["name"] = "mesh";
  listener["port"] = 15008;
  listener["protocol"] = "HBONE";
  gateway["spec"]["listeners"] = Json::array({std::move(listener)});
  return gateway;
}

std::optional<Refusal> CheckApply(const Context& context) {
  const std::string name = NameGiven(context);
  if (!kube::IsDnsLabel(name) || name == "none")
    return Refusal{"--name", "is no name for a waypoint: " + name};
  const std::string traffic = context.arguments.Value("--for", "service");
  if (traffic != "service" && traffic != "workload" && traffic != "all" && traffic != "none")
    return Refusal{"--for", "is none of service, workload, all and none"};
  const std::string of_class = context.arguments.Value("--class", kClasses[0]);
  if (of_class != kClasses[0] && of_class != kClasses[1])
    return Refusal{"--class", "is neither aquifer-waypoint nor istio-waypoint"};
  return std::nullopt;
}

Task<int> WaitProgrammed(const Context& context, Cluster& cluster, ObjectName name,
                         StopToken stop) {
  std::string message = "nobody has looked at it";
  while (true) {
    const Answer<std::optional<Json>> live = co_await cluster.Read(name, stop);
    if (live.ok() && live->has_value()) {
      const std::string state = ConditionOf(**live, "Programmed", &message);
      if (state == "True") {
        context.out.Say("waypoint " + name.name_space + "/" + name.name + " serves");
        co_return 0;
      }
    }
    if (!live.ok() && !stop.requested()) co_return Unreachable(context, cluster, live.error());
    const Status slept = co_await SleepFor(std::chrono::milliseconds(300), stop);
    if (!slept.ok()) break;
  }
  co_return context.Failed("waypoint " + name.name_space + "/" + name.name +
                           " does not serve yet: " + message);
}

Task<int> AskApply(const Context& context, Cluster& cluster, StopToken stop) {
  if (auto refusal = CheckApply(context)) co_return context.Misused(*refusal);
  const std::string space = cluster.name_space();
  const Json object = WaypointObject(context, space);
  const ObjectName name{kVersion, "Gateway", space, NameGiven(context)};
  const Answer<std::optional<Json>> before = co_await cluster.Read(name, stop);
  if (!before.ok()) co_return Unreachable(context, cluster, before.error());
  if (before->has_value() && !IsWaypoint(**before))
    co_return context.Failed(name.ToString() +
                             " is there and is no waypoint; --name names another");
  const ApplyOptions options{.manager = "aquifer-waypoint", .force = true};
  const Answer<Json> applied = co_await cluster.Apply(object, options, stop);
  if (!applied.ok()) co_return Unreachable(context, cluster, applied.error());
  context.out.Line({"waypoint " + space + "/" + name.name + " applied"});
  if (context.arguments.Has("--enroll-namespace")) {
    Json patch = Json::object();
    patch["metadata"]["labels"][kUse] = name.name;
    const std::string path = "/api/v1/namespaces/" + kube::QueryValue(space);
    const Answer<Json> labelled = co_await cluster.Merge(path, patch, stop);
    if (!labelled.ok()) co_return Unreachable(context, cluster, labelled.error());
    context.out.Line({"namespace " + space + " uses it"});
    if (TextAt(*labelled, {"metadata", "labels", "istio.io/dataplane-mode"}) != "ambient") {
      context.out.Say("its pods are not in the mesh: kubectl label namespace " + space +
                      " istio.io/dataplane-mode=ambient");
    }
  }
  if (!context.arguments.Has("--wait")) co_return 0;
  co_return co_await WaitProgrammed(context, cluster, name, stop);
}

// The waypoints of the namespace, or of all.
Task<Answer<std::vector<Json>>> Waypoints(const Context& context, Cluster& cluster,
                                          StopToken stop) {
  AQ_CO_TRY(const KindPath kind, co_await cluster.Find(kVersion, "Gateway", stop));
  const bool all = context.arguments.Has("--all-namespaces");
  AQ_CO_TRY(std::vector<Json> gateways,
            co_await cluster.List(ObjectPath(kind, all ? "" : cluster.name_space(), ""), "", stop));
  std::erase_if(gateways, [](const Json& gateway) { return !IsWaypoint(gateway); });
  co_return gateways;
}

Task<int> AskList(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Form> form = ReadForm(context.arguments.Value("--output"));
  if (!form.ok()) co_return context.Misused(form.error());
  const Answer<std::vector<Json>> gateways = co_await Waypoints(context, cluster, stop);
  if (!gateways.ok()) co_return Unreachable(context, cluster, gateways.error());
  if (*form != Form::kTable) {
    OrderedJson list = {{"apiVersion", "v1"}, {"kind", "List"}};
    list["items"] = *gateways;
    context.out.Document(list, *form);
    co_return 0;
  }
  std::vector<std::vector<Cell>> rows;
  for (const Json& gateway : *gateways) {
    const std::string traffic = TextAt(gateway, {"metadata", "labels", kFor});
    const std::string state = ConditionOf(gateway, "Programmed");
    rows.push_back(
        {TextAt(gateway, {"metadata", "namespace"}), TextAt(gateway, {"metadata", "name"}),
         TextAt(gateway, {"spec", "gatewayClassName"}), traffic.empty() ? "service" : traffic,
         Cell(state.empty() ? "Unknown" : state, state == "True" ? Colour::kGood : Colour::kBad)});
  }
  context.out.Table({"NAMESPACE", "NAME", "CLASS", "FOR", "PROGRAMMED"}, rows);
  co_return 0;
}

Task<int> AskStatus(const Context& context, Cluster& cluster, StopToken stop) {
  const Answer<std::vector<Json>> gateways = co_await Waypoints(context, cluster, stop);
  if (!gateways.ok()) co_return Unreachable(context, cluster, gateways.error());
  const bool one = !context.arguments.plain().empty() || context.arguments.Has("--name");
  bool good = true;
  size_t told = 0;
  for (const Json& gateway : *gateways) {
    const std::string name = TextAt(gateway, {"metadata", "name"});
    if (one && name != NameGiven(context)) continue;
    ++told;
    for (const char* type : {"Accepted", "Programmed"}) {
      std::string message;
      const std::string state = ConditionOf(gateway, type, &message);
      good = good && state == "True";
      context.out.Line(
          {{state == "True" ? "ok    " : "fail  ", state == "True" ? Colour::kGood : Colour::kBad},
           TextAt(gateway, {"metadata", "namespace"}) + "/" + name + " " + type + " ",
           state.empty() ? "has not been said" : state + " " + message});
    }
  }
  if (told == 0) co_return context.Failed("there is no such waypoint in " + cluster.name_space());
  co_return good ? 0 : kExitBad;
}

Task<int> AskDelete(const Context& context, Cluster& cluster, StopToken stop) {
  const ObjectName name{kVersion, "Gateway", cluster.name_space(), NameGiven(context)};
  const Answer<std::optional<Json>> live = co_await cluster.Read(name, stop);
  if (!live.ok()) co_return Unreachable(context, cluster, live.error());
  if (!live->has_value() || !IsWaypoint(**live))
    co_return context.Failed("there is no waypoint " + name.name_space + "/" + name.name);
  // Who is bound to a waypoint that is not there is refused, so that the binding goes first.
  const std::string path = "/api/v1/namespaces/" + kube::QueryValue(name.name_space);
  const Answer<Json> space = co_await cluster.Get(path, stop);
  if (!space.ok()) co_return Unreachable(context, cluster, space.error());
  const bool bound =
      TextAt(*space, {"metadata", "labels", kUse}) == name.name &&
      TextAt(*space, {"metadata", "labels", "istio.io/use-waypoint-namespace"}).empty();
  if (bound) {
    Json patch = Json::object();
    patch["metadata"]["labels"][kUse] = nullptr;
    const Answer<Json> freed = co_await cluster.Merge(path, patch, stop);
    if (!freed.ok()) co_return Unreachable(context, cluster, freed.error());
    context.out.Line({"namespace " + name.name_space + " uses it no longer"});
  }
  const Answer<bool> deleted = co_await cluster.Delete(name, "Background", stop);
  if (!deleted.ok()) co_return Unreachable(context, cluster, deleted.error());
  context.out.Line({"waypoint " + name.name_space + "/" + name.name + " deleted"});
  context.out.Say("Services and pods that name it themselves by " + std::string(kUse) +
                  " are refused until they name another");
  co_return 0;
}

}  // namespace

std::vector<Command> WaypointCommands() {
  return {
      {.name = "waypoint apply",
       .summary = "makes a waypoint of a namespace, or changes it",
       .words = "[NAME]",
       .flags = {kNameFlag,
                 {"--for", "service|workload|all|none",
                  "whose traffic goes through it (default service)"},
                 {"--class", "aquifer-waypoint|istio-waypoint", "default aquifer-waypoint"},
                 {"--enroll-namespace", "", "the namespace uses it"},
                 {"--wait", "", "until it serves"}},
       .max_words = 1,
       .ask = &AskApply},
      {.name = "waypoint list",
       .summary = "the waypoints of a namespace, or of all",
       .flags = {kAllNamespacesFlag, kOutputFlag},
       .ask = &AskList},
      {.name = "waypoint status",
       .summary = "whether waypoints are accepted and serve, and if not why",
       .words = "[NAME]",
       .flags = {kNameFlag, kAllNamespacesFlag},
       .max_words = 1,
       .ask = &AskStatus},
      {.name = "waypoint delete",
       .summary = "takes a waypoint away, and its namespace off it",
       .words = "[NAME]",
       .flags = {kNameFlag},
       .max_words = 1,
       .ask = &AskDelete},
  };
}

}  // namespace aquifer::cli
