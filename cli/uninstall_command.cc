#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/install/leave.h"
#include "cli/install/manifest.h"
#include "core/rt/timer.h"

// What manifests/uninstall.sh does, step by step, for clusters that Helm has not installed: each
// step may have been done by an attempt that stopped half-way.
namespace aquifer::cli {
namespace {

constexpr const char* kDaemonSets = "/apis/apps/v1/namespaces/aquifer-system/daemonsets";

std::string DaemonSetPath(const char* name) { return std::string(kDaemonSets) + "/" + name; }

class Uninstaller {
 public:
  Uninstaller(const Context& context, Cluster& cluster, StopToken stop)
      : context_(context), cluster_(cluster), stop_(stop) {}

  // An empty text: done. Else why not.
  Task<Answer<std::string>> Run() {
    AQ_CO_TRY(const std::string obstacle, co_await Obstacle());
    if (!obstacle.empty()) co_return obstacle;
    AQ_CO_TRY(const std::optional<Json> agent, co_await Get(DaemonSetPath("aquifer-cni")));
    if (agent) {
      AQ_CO_TRY(const std::string captured, co_await LeaveTheMesh());
      if (!captured.empty())
        co_return "still captured, see the log of aquifer-cni on their nodes: " + captured;
      const Answer<void> left = co_await LeaveTheNodes(*agent);
      if (!left.ok()) co_return left.error();
    }
    AQ_CO_TRY(const std::optional<Json> leaving, co_await Get(DaemonSetPath("aquifer-leave")));
    if (leaving) {
      AQ_CO_TRY(const std::string nodes, co_await GiveBack());
      if (!nodes.empty())
        co_return "no pod would start any more on these nodes, whose configuration still names "
                  "the plugin: " + nodes;
    }
    co_return co_await Remove();
  }

 private:
  Task<Answer<std::optional<Json>>> Get(std::string path) {
    Answer<Json> object = co_await cluster_.Get(std::move(path), stop_);
    if (object.ok()) co_return std::optional<Json>(*std::move(object));
    if (object.error().status == 404) co_return std::optional<Json>();
    co_return object.error();
  }

  Task<Answer<std::string>> Obstacle() {
    AQ_CO_TRY(const std::vector<Json> istio,
              co_await cluster_.List("/apis/apps/v1/daemonsets",
                                     "labelSelector=k8s-app%3Distio-cni-node", stop_));
    if (!istio.empty())
      co_return std::string("Istio's agent is here, and pods may be its own: see docs/install.md");
    AQ_CO_TRY(const std::optional<Json> space,
              co_await Get(std::string("/api/v1/namespaces/") + kSystemNamespace));
    const std::string release =
        space ? TextAt(*space, {"metadata", "annotations", "meta.helm.sh/release-name"}) : "";
    if (release.empty()) co_return std::string();
    co_return "Helm has installed it as release " + release +
        "; manifests/uninstall.sh takes that away, too";
  }

  // Of all namespaces and pods. The names of pods that stay captured; empty: none.
  Task<Answer<std::string>> LeaveTheMesh() {
    context_.out.Say("pods leave the mesh");
    for (const char* plural : {"namespaces", "pods"}) {
      AQ_CO_TRY(const std::vector<Json> labelled,
                co_await cluster_.List(std::string("/api/v1/") + plural,
                                       "labelSelector=istio.io%2Fdataplane-mode%3Dambient", stop_));
      for (const Json& object : labelled) {
        const KindPath kind{"/api/v1", plural, std::string_view(plural) == "pods"};
        const std::string path = ObjectPath(kind, TextAt(object, {"metadata", "namespace"}),
                                            TextAt(object, {"metadata", "name"}));
        const Json patch = {{"metadata", {{"labels", {{"istio.io/dataplane-mode", nullptr}}}}}};
        const Answer<Json> done = co_await cluster_.Merge(path, patch, stop_);
        if (!done.ok() && done.error().status != 404) co_return done.error();
      }
    }
    co_return co_await UntilEmpty(&Uninstaller::Captured);
  }

  Task<Answer<std::string>> Captured() {
    AQ_CO_TRY(const std::vector<Json> pods,
              co_await cluster_.List("/api/v1/pods",
                                     "fieldSelector=status.phase!%3DSucceeded%2Cstatus.phase!%3D"
                                     "Failed",
                                     stop_));
    co_return CapturedPods(pods);
  }

  // What gives nodes their configuration back is there before the agents go, on no node yet.
  Task<Answer<void>> LeaveTheNodes(const Json& agent) {
    context_.out.Say("nodes get their network configuration back");
    const Decoded<Json> leave = LeaveDaemonSet(agent);
    if (!leave.ok()) co_return ApiFailure{.detail = leave.error().ToString()};
    const Json object = *leave;
    const ApplyOptions options{.manager = "aquifer-install", .force = true};
    const Answer<Json> applied = co_await cluster_.Apply(object, options, stop_);
    if (!applied.ok()) co_return applied.error();
    const ObjectName name{"apps/v1", "DaemonSet", kSystemNamespace, "aquifer-cni"};
    const Answer<bool> deleted = co_await cluster_.Delete(name, "Foreground", stop_);
    if (!deleted.ok()) co_return deleted.error();
    const Answer<std::string> gone = co_await UntilEmpty(&Uninstaller::AgentLeft);
    if (!gone.ok()) co_return gone.error();
    if (!gone->empty()) co_return ApiFailure{.detail = "DaemonSet aquifer-cni does not go"};
    co_return Answer<void>();
  }

  Task<Answer<std::string>> AgentLeft() {
    AQ_CO_TRY(const std::optional<Json> agent, co_await Get(DaemonSetPath("aquifer-cni")));
    co_return std::string(agent ? "aquifer-cni" : "");
  }

  // The nodes that have not given the plugin up; empty: all have.
  Task<Answer<std::string>> GiveBack() {
    const Json patch = {
        {"spec",
         {{"template",
           {{"spec",
             {{"nodeSelector",
               {{"aquifer.io/leaves", nullptr}, {"kubernetes.io/os", "linux"}}}}}}}}}};
    const Answer<Json> done = co_await cluster_.Merge(DaemonSetPath("aquifer-leave"), patch, stop_);
    if (!done.ok()) co_return done.error();
    co_return co_await UntilEmpty(&Uninstaller::NodesLeft);
  }

  Task<Answer<std::string>> NodesLeft() {
    AQ_CO_TRY(const std::optional<Json> leave, co_await Get(DaemonSetPath("aquifer-leave")));
    AQ_CO_TRY(const std::vector<Json> pods,
              co_await cluster_.List("/api/v1/namespaces/aquifer-system/pods",
                                     "labelSelector=app%3Daquifer-leave", stop_));
    co_return NodesNotLeft(leave.value_or(Json()), pods);
  }

  Task<Answer<std::string>> NamespaceLeft() {
    AQ_CO_TRY(const std::optional<Json> space,
              co_await Get(std::string("/api/v1/namespaces/") + kSystemNamespace));
    co_return std::string(space ? kSystemNamespace : "");
  }

  // The namespace before the rest: aquifer-control would make some of it again.
  Task<Answer<std::string>> Remove() {
    context_.out.Say("the rest goes");
    const ObjectName space{"v1", "Namespace", "", kSystemNamespace};
    const Answer<bool> deleted = co_await cluster_.Delete(space, "Background", stop_);
    if (!deleted.ok()) co_return deleted.error();
    AQ_CO_TRY(const std::string left, co_await UntilEmpty(&Uninstaller::NamespaceLeft));
    if (!left.empty()) co_return "namespace " + left + " does not go";
    for (const Removal& removal : Removals()) {
      const Answer<void> done = co_await RemoveAll(removal);
      if (!done.ok()) co_return done.error();
    }
    co_return std::string();
  }

  Task<Answer<void>> RemoveAll(const Removal& removal) {
    const Answer<KindPath> kind = co_await cluster_.Find(removal.api_version, removal.kind, stop_);
    if (!kind.ok() && kind.error().status == 404) co_return Answer<void>();
    if (!kind.ok()) co_return kind.error();
    AQ_CO_TRY(const std::vector<Json> objects,
              co_await cluster_.List(ObjectPath(*kind, "", ""), removal.query, stop_));
    for (const Json& object : objects) {
      if (!IsOurs(removal, object)) continue;
      const ObjectName name{removal.api_version, removal.kind,
                            TextAt(object, {"metadata", "namespace"}),
                            TextAt(object, {"metadata", "name"})};
      const Answer<bool> done = co_await cluster_.Delete(name, "Background", stop_);
      if (!done.ok()) co_return done.error();
    }
    co_return Answer<void>();
  }

  // Asks again until there is nothing left; what is left at the end of time.
  Task<Answer<std::string>> UntilEmpty(Task<Answer<std::string>> (Uninstaller::*ask)()) {
    std::string last = "unknown";
    while (true) {
      Answer<std::string> left = co_await (this->*ask)();
      if (stop_.requested()) co_return last;
      if (!left.ok() || left->empty()) co_return left;
      last = *left;
      const Status slept = co_await SleepFor(std::chrono::seconds(1), stop_);
      if (!slept.ok()) co_return last;
    }
  }

  const Context& context_;
  Cluster& cluster_;
  const StopToken stop_;
};

Task<int> AskUninstall(const Context& context, Cluster& cluster, StopToken stop) {
  Uninstaller uninstaller(context, cluster, stop);
  const Answer<std::string> why = co_await uninstaller.Run();
  if (!why.ok()) {
    co_return context.Failed("the API server at " + cluster.address() + ": " +
                             why.error().ToString());
  }
  if (!why->empty()) co_return context.Failed(*why);
  context.out.Say("nothing of Aquifer is left; Gateways and routes stay as they were written");
  co_return 0;
}

}  // namespace

Command UninstallCommand() {
  return {.name = "uninstall",
          .summary = "takes Aquifer off a cluster and leaves nothing of it behind",
          .details =
              "Pods leave the mesh, nodes get their network configuration back, then all that was\n"
              "made goes, with the definitions the policies of everybody. docs/install.md tells\n"
              "what stays. Again if it stopped half-way.",
          .ask = &AskUninstall,
          .timeout = std::chrono::seconds(360)};
}

}  // namespace aquifer::cli
