#include <chrono>

#include "certs/wall_clock.h"
#include "cli/check/ends.h"
#include "cli/check/judge.h"
#include "cli/check/rights.h"
#include "cli/cluster.h"
#include "cli/commands.h"
#include "cli/install/manifest.h"

namespace aquifer::cli {
namespace {

// Tells findings as they come and remembers the worst.
class Report {
 public:
  explicit Report(Output& out) : out_(out) {}

  void Tell(const Finding& finding) {
    const bool ok = finding.verdict == Verdict::kOk;
    const bool warn = finding.verdict == Verdict::kWarn;
    failed_ = failed_ || finding.verdict == Verdict::kFail;
    out_.Line({{ok     ? "ok    "
                : warn ? "warn  "
                       : "fail  ",
                ok     ? Colour::kGood
                : warn ? Colour::kWarning
                       : Colour::kBad},
               finding.what,
               finding.cure.empty() ? "" : "; " + finding.cure});
  }
  void Tell(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) Tell(finding);
  }
  // What could not be asked is not known to be good.
  void Unknown(const std::string& what, const ApiFailure& failure) {
    const bool forbidden = failure.status == 403 || failure.status == 401;
    Tell({Verdict::kFail, what + " cannot be read: " + failure.ToString(),
          forbidden ? "another user or role is needed" : ""});
  }
  bool failed() const { return failed_; }

 private:
  Output& out_;
  bool failed_ = false;
};

// False: nobody answers, and nobody would answer what comes next.
Task<bool> CheckServer(Cluster& cluster, Report& report, StopToken stop) {
  const Answer<Json> version = co_await cluster.Get("/version", stop);
  if (!version.ok()) {
    report.Unknown("the API server at " + cluster.address(), version.error());
    co_return false;
  }
  report.Tell(JudgeServer(*version));
  const ObjectName name{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "",
                        "gateways.gateway.networking.k8s.io"};
  const Answer<std::optional<Json>> definition = co_await cluster.Read(name, stop);
  if (definition.ok()) {
    report.Tell(JudgeGatewayApi(*definition));
  } else {
    report.Unknown("the definition of Gateways", definition.error());
  }
  const Answer<std::vector<Json>> nodes = co_await cluster.List("/api/v1/nodes", "", stop);
  if (nodes.ok()) {
    report.Tell(JudgeNodes(*nodes));
  } else {
    report.Unknown("nodes", nodes.error());
  }
  const Answer<std::vector<Json>> istio = co_await cluster.List(
      "/apis/apps/v1/daemonsets", "labelSelector=k8s-app%3Distio-cni-node", stop);
  if (!istio.ok()) {
    report.Unknown("DaemonSets", istio.error());
  } else if (!istio->empty()) {
    report.Tell(Finding{Verdict::kWarn, "Istio's agent is on this cluster",
                        "a node has one agent alone: docs/install.md, Beside Istio"});
  }
  co_return true;
}

// False: Aquifer is not here.
Task<bool> CheckWorkloads(Cluster& cluster, Report& report, StopToken stop) {
  std::vector<Json> workloads;
  for (const char* plural : {"deployments", "daemonsets"}) {
    const std::string path = std::string("/apis/apps/v1/namespaces/aquifer-system/") + plural;
    Answer<std::vector<Json>> found = co_await cluster.List(path, "", stop);
    if (!found.ok()) {
      report.Unknown(plural, found.error());
      co_return false;
    }
    for (Json& each : *found) {
      // Items of a list do not name their kind.
      each["kind"] = std::string_view(plural) == "daemonsets" ? "DaemonSet" : "Deployment";
      workloads.push_back(std::move(each));
    }
  }
  if (workloads.empty()) co_return false;
  report.Tell(JudgeWorkloads(workloads));
  co_return true;
}

Task<void> CheckPods(Cluster& cluster, Report& report, StopToken stop) {
  const Answer<std::vector<Json>> spaces = co_await cluster.List("/api/v1/namespaces", "", stop);
  const Answer<std::vector<Json>> pods = co_await cluster.List("/api/v1/pods", "", stop);
  if (!spaces.ok()) {
    report.Unknown("namespaces", spaces.error());
  } else if (!pods.ok()) {
    report.Unknown("pods", pods.error());
  } else {
    report.Tell(JudgePods(*spaces, *pods));
  }
}

Task<void> CheckRights(Cluster& cluster, Report& report, bool is_here, StopToken stop) {
  Answer<std::vector<Right>> rights = co_await InstallRights(cluster, stop);
  if (rights.ok()) rights = co_await MissingRights(cluster, *std::move(rights), stop);
  if (!rights.ok()) {
    report.Unknown("what this user may do", rights.error());
    co_return;
  }
  // Who only looks at an installation needs no right to change it.
  report.Tell(
      JudgeRights(*rights, "\"aquifer install\"", is_here ? Verdict::kWarn : Verdict::kFail));
  if (!is_here) co_return;
  rights = co_await MissingRights(cluster, StatusRights(), stop);
  if (rights.ok()) {
    report.Tell(JudgeRights(*rights, "\"aquifer status\"", Verdict::kFail));
  } else {
    report.Unknown("what this user may do", rights.error());
  }
}

Task<void> CheckCertificates(Cluster& cluster, Report& report, StopToken stop) {
  const double now = static_cast<double>(
      std::chrono::duration_cast<std::chrono::seconds>(certs::SystemWallTime().time_since_epoch())
          .count());
  const Roots roots = co_await ReadRoots(cluster, std::string(kSystemNamespace), stop);
  report.Tell(JudgeRoots(roots, now));
  const Answer<std::vector<OurPod>> pods = co_await ListOurPods(cluster, stop);
  if (!pods.ok()) {
    report.Unknown("pods of Aquifer", pods.error());
    co_return;
  }
  const std::vector<ProxyCerts> proxies = co_await ReadProxyCerts(cluster, *pods, stop);
  report.Tell(JudgeProxyCerts(proxies, now));
}

Task<int> AskCheck(const Context& context, Cluster& cluster, StopToken stop) {
  Report report(context.out);
  const bool answers = co_await CheckServer(cluster, report, stop);
  if (!answers) co_return kExitBad;
  if (context.arguments.Has("--before")) {
    co_await CheckRights(cluster, report, false, stop);
  } else {
    const bool here = co_await CheckWorkloads(cluster, report, stop);
    co_await CheckRights(cluster, report, here, stop);
    if (here) {
      co_await CheckPods(cluster, report, stop);
      co_await CheckCertificates(cluster, report, stop);
    } else if (!report.failed()) {
      context.out.Line({"Aquifer is not on this cluster; \"aquifer install\" brings it"});
    }
  }
  co_return report.failed() ? kExitBad : 0;
}

}  // namespace

Command CheckCommand() {
  return {
      .name = "check",
      .summary = "whether a cluster can carry Aquifer, and whether one that does is well",
      .details = "A line a finding: ok, warn or fail, with what to do. Exit status 1 if any fails.",
      .flags = {{"--before", "", "only what an installation needs"}},
      .ask = &AskCheck};
}

}  // namespace aquifer::cli
