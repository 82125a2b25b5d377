#include "cli/commands.h"
#include "cli/mesh_objects.h"
#include "cli/status_report.h"

namespace aquifer::cli {
namespace {

int Tell(const Context& context, MeshObjects objects, const std::vector<OurPod>& ours, Form form) {
  const bool refused = !objects.seen.refusals.empty();
  for (const std::string& remark : RemarksOf(objects)) context.out.Say(remark);
  const Model model(std::move(objects.seen.objects), std::move(objects.settings));
  const StatusReport report = StatusOf(model, ours);
  if (form == Form::kTable) {
    Print(report, context.out);
  } else {
    context.out.Document(DocumentOf(report), form);
  }
  return report.good() && !refused ? 0 : kExitBad;
}

Task<int> Ask(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Form> form = ReadForm(context.arguments.Value("--output"));
  if (!form) co_return context.Misused(form.error());
  Result<MeshObjects, std::string> objects = co_await ReadMesh(context, cluster, stop);
  if (!objects) co_return context.Failed(objects.error());
  const Answer<std::vector<OurPod>> ours = co_await ListOurPods(cluster, stop);
  if (!ours.ok()) co_return context.Failed("pods cannot be listed: " + ours.error().ToString());
  co_return Tell(context, *std::move(objects), *ours, *form);
}

}  // namespace

Command StatusCommand() {
  Command command;
  command.name = "status";
  command.summary = "nodes, enrolled pods with the proof of their capture, and waypoints";
  command.details =
      "A pod is captured when the agent of its node has proven its rules and a proxy serves it.\n"
      "The exit status is 0 if everything is as it is asked for and nothing is refused, 1 if not.";
  command.flags = {
      kOutputFlag,
      {"--control-namespace", "NAME", "where aquifer-control runs (default aquifer-system)"}};
  command.ask = &Ask;
  return command;
}

}  // namespace aquifer::cli
