#include "cli/commands.h"
#include "cli/mesh_objects.h"
#include "cli/why/model.h"
#include "cli/why/question.h"
#include "mesh/builder.h"
#include "mesh/dump.h"
#include "waypoint/config_dump.h"

namespace aquifer::cli {
namespace {

constexpr const char* kComputed =
    "made from the objects as the control plane serves them, not read from the proxy";

// The pod with what a node proxy knows of it: its services and the policies that apply.
mesh::SnapshotRef PartOf(const mesh::Snapshot& whole, const mesh::Workload& workload) {
  mesh::Builder builder;
  builder.Put(workload);
  for (const mesh::ServiceRef& service : whole.ServicesOf(workload)) builder.Put(*service);
  for (const mesh::PolicyRef& policy : whole.PoliciesFor(workload).policies) builder.Put(*policy);
  return builder.Build();
}

OrderedJson GatewayDocument(const Model& model, const control::BoundGateway& gateway) {
  const waypoint::RulesRef rules = model.RulesOf(gateway);
  const std::string text = waypoint::DumpConfig(rules.get(), &model.snapshot(), {});
  OrderedJson config = OrderedJson::parse(text, nullptr, false);
  if (config.is_object()) config.erase("certificates");
  return {{"proxy", "gateway " + gateway.namespace_name() + "/" + gateway.name()},
          {"source", kComputed},
          {"config", std::move(config)}};
}

int Tell(const Context& context, MeshObjects objects, const std::string& own, Form form) {
  for (const std::string& remark : RemarksOf(objects)) context.out.Say(remark);
  const std::string word = context.arguments.plain().at(0);
  const Decoded<Party> party = ReadFrom(word, own);
  if (!party) return context.Misused(party.error());
  const Model model(std::move(objects.seen.objects), std::move(objects.settings));
  const Decoded<Source> found = FindSource(model, *party);
  if (!found) return context.Misused(found.error());
  if (found->pod == nullptr) return context.Misused({word, "is no pod"});
  OrderedJson document;
  const control::BoundGateway* const gateway = model.GatewayOf(*found->pod);
  if (gateway != nullptr) {
    document = GatewayDocument(model, *gateway);
  } else {
    const bool all = context.arguments.Has("--all");
    const mesh::SnapshotRef part = all ? nullptr : PartOf(model.snapshot(), *found->workload);
    document = {{"proxy", "node proxy of " + std::string(found->workload->node)},
                {"source", kComputed},
                {"captured", found->captured},
                {"config", mesh::DumpJson(all ? model.snapshot() : *part)}};
  }
  context.out.Document(document, form == Form::kTable ? Form::kYaml : form);
  return 0;
}

// What is wrong with the command line; the form otherwise.
Decoded<Form> Check(const Context& context) {
  if (context.arguments.plain().empty()) return Refusal{"config", "needs a pod, NAMESPACE/NAME"};
  return ReadForm(context.arguments.Value("--output"));
}

int Run(const Context& context) {
  const Decoded<Form> form = Check(context);
  if (!form) return context.Misused(form.error());
  Decoded<MeshObjects> objects = ReadManifests(context);
  if (!objects) return context.Misused(objects.error());
  return Tell(context, *std::move(objects), context.arguments.Value("--namespace", "default"),
              *form);
}

Task<int> Ask(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Form> form = Check(context);
  if (!form) co_return context.Misused(form.error());
  Result<MeshObjects, std::string> objects = co_await ReadMesh(context, cluster, stop);
  if (!objects) co_return context.Failed(objects.error());
  co_return Tell(context, *std::move(objects), cluster.name_space(), *form);
}

}  // namespace

Command ConfigCommand() {
  Command command;
  command.name = "config";
  command.summary = "what the proxy of a pod is told, or a gateway's pod itself";
  command.words = "POD";
  command.details =
      "POD is NAMESPACE/NAME of a pod, or of what owns pods. A proxy shows what it holds only on\n"
      "its own machine, so this is what the control plane serves it, made from the objects by the\n"
      "same code.";
  command.flags = {{"--output", "yaml|json", "how it is written (default yaml)", 'o'},
                   {"--all", "", "all that a node proxy is told, not only of this pod"}};
  for (const CommandFlag& flag : MeshObjectsFlags()) command.flags.push_back(flag);
  command.max_words = 1;
  command.run = &Run;
  command.ask = &Ask;
  command.offline = "--manifests";
  return command;
}

}  // namespace aquifer::cli
