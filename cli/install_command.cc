#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/install/manifest.h"
#include "cli/install/serving.h"
#include "core/rt/timer.h"

namespace aquifer::cli {
namespace {

constexpr const char* kGatewayApi =
    "kubectl apply --server-side -f "
    "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.3/standard-install.yaml";

ObjectName NameOfObject(const Json& object) {
  return {TextAt(object, {"apiVersion"}), TextAt(object, {"kind"}),
          TextAt(object, {"metadata", "namespace"}), TextAt(object, {"metadata", "name"})};
}

// Why there can be no installation here; empty: there can.
Task<Answer<std::string>> Obstacle(Cluster& cluster, StopToken stop) {
  const Answer<KindPath> classes =
      co_await cluster.Find("gateway.networking.k8s.io/v1", "GatewayClass", stop);
  if (!classes.ok() && classes.error().status != 404) co_return classes.error();
  if (!classes.ok()) {
    co_return "this cluster has no definitions of the Gateway API; first: " +
        std::string(kGatewayApi);
  }
  AQ_CO_TRY(const std::vector<Json> agents,
            co_await cluster.List("/apis/apps/v1/daemonsets",
                                  "labelSelector=k8s-app%3Distio-cni-node", stop));
  if (!agents.empty())
    co_return std::string(
        "Istio's agent is on this cluster, a node has one alone; beside Istio there is the chart "
        "(docs/install.md)");
  const ObjectName system{"v1", "Namespace", "", kSystemNamespace};
  AQ_CO_TRY(const std::optional<Json> space, co_await cluster.Read(system, stop));
  if (!space) co_return std::string();
  const std::string release =
      TextAt(*space, {"metadata", "annotations", "meta.helm.sh/release-name"});
  if (release.empty()) co_return std::string();
  co_return "it was installed by Helm as release " + release + ", which has to change it, too";
}

struct Written {
  size_t created = 0;
  size_t changed = 0;
  size_t same = 0;
};

Task<Answer<void>> WriteOne(const Context& context, Cluster& cluster, const Json& object,
                            Written& written, StopToken stop) {
  const ObjectName name = NameOfObject(object);
  const bool dry_run = context.arguments.Has("--dry-run");
  AQ_CO_TRY(const std::optional<Json> before, co_await cluster.Read(name, stop));
  // The server would refuse to try what is in a namespace that is not there yet.
  if (!before && dry_run) {
    ++written.created;
    context.out.Write(Shown(name.ToString()) + " would be created\n");
    co_return Answer<void>();
  }
  const ApplyOptions options{.manager = "aquifer-install", .force = true, .dry_run = dry_run};
  AQ_CO_TRY(const Json after, co_await cluster.Apply(object, options, stop));
  if (before && SameButForWrites(*before, after)) {
    ++written.same;
    co_return Answer<void>();
  }
  ++(before ? written.changed : written.created);
  const std::string done = before ? "changed" : "created";
  context.out.Write(Shown(name.ToString()) + (dry_run ? " would be " : " ") + done + "\n");
  co_return Answer<void>();
}

// True when all serve; false at the end of time.
Task<Answer<bool>> WaitServing(const Context& context, Cluster& cluster,
                               const std::vector<Json>& objects, StopToken stop) {
  for (const Json& object : objects) {
    const std::string kind = TextAt(object, {"kind"});
    if (kind != "Deployment" && kind != "DaemonSet") continue;
    const ObjectName name = NameOfObject(object);
    for (std::string told; true;) {
      const Answer<std::optional<Json>> live = co_await cluster.Read(name, stop);
      if (stop.requested()) co_return false;
      if (!live.ok()) co_return live.error();
      Serving serving{false, "not there"};
      if (live->has_value()) serving = ServingOf(**live);
      if (serving.text != told) context.out.Say(name.ToString() + ": " + serving.text + " serve");
      told = serving.text;
      if (serving.ready) break;
      const Status slept = co_await SleepFor(std::chrono::milliseconds(500), stop);
      if (!slept.ok()) co_return false;
    }
  }
  co_return true;
}

Task<Answer<int>> Install(const Context& context, Cluster& cluster,
                          const std::vector<Json>& objects, StopToken stop) {
  AQ_CO_TRY(const std::string obstacle, co_await Obstacle(cluster, stop));
  if (!obstacle.empty()) co_return context.Failed(obstacle);
  Written written;
  for (const Json& object : objects) {
    const Answer<void> done = co_await WriteOne(context, cluster, object, written, stop);
    if (!done.ok()) {
      co_return context.Failed(NameOfObject(object).ToString() + ": " + done.error().ToString());
    }
  }
  const std::string count = std::to_string(written.created) + " created, " +
                            std::to_string(written.changed) + " changed, " +
                            std::to_string(written.same) + " as they were";
  if (context.arguments.Has("--dry-run")) {
    context.out.Say("nothing was written: " + count);
    co_return 0;
  }
  context.out.Say(count);
  if (context.arguments.Has("--no-wait")) co_return 0;
  AQ_CO_TRY(const bool serves, co_await WaitServing(context, cluster, objects, stop));
  if (!serves)
    co_return context.Failed("it does not serve yet; \"aquifer check\" tells what is missing");
  context.out.Say(
      "Aquifer serves; kubectl label namespace NAME istio.io/dataplane-mode=ambient "
      "brings a namespace into the mesh");
  co_return 0;
}

Task<int> AskInstall(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<std::vector<Json>> objects =
      ManifestObjects(BuiltInManifest(), context.arguments.Values("--set"));
  if (!objects.ok()) co_return context.Misused(objects.error());
  const Answer<int> status = co_await Install(context, cluster, *objects, stop);
  if (status.ok()) co_return *status;
  co_return context.Failed("the API server at " + cluster.address() + ": " +
                           status.error().ToString());
}

}  // namespace

Command InstallCommand() {
  return {.name = "install",
          .summary = "brings Aquifer onto a cluster, or up to this program's version",
          .details =
              "Applies the manifests that are built into this program and waits until all of it\n"
              "serves. A second time changes nothing. docs/install.md tells what comes.",
          .flags = {{"--dry-run", "", "tell what would be written, and write nothing"},
                    {"--set", "KEY=VALUE",
                     "image.name, image.pullPolicy, cni.configFolder, cni.pluginFolder or "
                     "cni.runFolder",
                     0, true},
                    {"--wait", "", "until all serves; so it is without the flag, too"},
                    {"--no-wait", "", "do not wait until it serves"}},
          .ask = &AskInstall,
          .timeout = std::chrono::seconds(180)};
}

}  // namespace aquifer::cli
