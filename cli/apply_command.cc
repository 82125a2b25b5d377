#include "certs/file.h"
#include "cli/apply/plan.h"
#include "cli/commands.h"

namespace aquifer::cli {
namespace {

constexpr mode_t kReadableByAll = 0644;  // the control plane runs as somebody else

const char* WordOf(Change change) {
  switch (change) {
    case Change::kNew:
      return "new";
    case Change::kChanged:
      return "changed";
    case Change::kUnchanged:
      return "unchanged";
  }
  return "";
}

// The first that cannot be written is the last: what was written stays, and is told.
bool WriteAll(const Context& context, const std::string& folder, std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (step.change == Change::kUnchanged) continue;
    const Status written =
        certs::WriteFileWhole(folder + "/" + step.file, step.object->text, kReadableByAll);
    if (written.ok()) continue;
    context.out.Complain(folder + "/" + step.file + " cannot be written: " +
                         Describe(written.error()) + "; what comes after it is not written either");
    steps.resize(i);
    return false;
  }
  return true;
}

void Print(const std::vector<Step>& steps, bool dry_run, Output& out) {
  for (const Step& step : steps) {
    const bool would = dry_run && step.change != Change::kUnchanged;
    out.Line({step.object->key.ToString() + (would ? " would be " : " ") + WordOf(step.change) +
              ", " + step.file});
  }
}

OrderedJson DocumentOf(const std::vector<Step>& steps, bool dry_run) {
  OrderedJson document = {{"dryRun", dry_run}, {"objects", OrderedJson::array()}};
  for (const Step& step : steps) {
    const control::ObjectKey& key = step.object->key;
    document["objects"].push_back({{"kind", control::KindWord(key.kind)},
                                   {"namespace", key.namespace_name},
                                   {"name", key.name},
                                   {"file", step.file},
                                   {"state", WordOf(step.change)}});
  }
  return document;
}

int Carry(const Context& context, const std::string& folder, const Wanted& wanted, Form form) {
  Decoded<Plan> plan = MakePlan(folder, wanted.objects);
  if (!plan.ok()) return context.Misused({"--manifests", plan.error().ToString()});
  for (const std::string& remark : plan->remarks) context.out.Say(remark);
  for (const std::string& obstacle : plan->obstacles) context.out.Complain(obstacle);
  if (!plan->obstacles.empty()) return context.Failed("nothing was written");
  const bool dry_run = context.arguments.Has("--dry-run");
  const bool good = dry_run || WriteAll(context, folder, plan->steps);
  if (form == Form::kTable) {
    Print(plan->steps, dry_run, context.out);
  } else {
    context.out.Document(DocumentOf(plan->steps, dry_run), form);
  }
  return good ? 0 : kExitBad;
}

int RunApply(const Context& context) {
  const std::string folder = context.arguments.Value("--manifests");
  if (folder.empty()) {
    return context.Misused(
        {"--manifests",
         "names the folder that aquifer-control --manifests reads; on a cluster, "
         "\"kubectl apply -f\" is what you want"});
  }
  const Decoded<Form> form = ReadForm(context.arguments.Value("--output"));
  if (!form.ok()) return context.Misused(form.error());
  const std::vector<std::string> paths = context.arguments.Values("--filename");
  if (paths.empty()) return context.Misused({"--filename", "is needed: a file, a folder, or -"});
  const Decoded<std::vector<InputFile>> files = ReadInput(paths);
  if (!files.ok()) return context.Misused(files.error());
  const Wanted wanted = ReadWanted(*files);
  for (const std::string& kind : wanted.skipped)
    context.out.Say(kind + " is left out: the control plane does not read it");
  for (const std::string& refusal : wanted.refusals) context.out.Complain(refusal);
  if (!wanted.refusals.empty()) return context.Failed("nothing was written");
  // An empty pipe must not look like a success.
  if (wanted.objects.empty()) return context.Failed("there is no object of the mesh to write");
  return Carry(context, folder, wanted, *form);
}

}  // namespace

Command ApplyCommand() {
  return {.name = "apply",
          .summary = "writes objects into the folder that a control plane without a cluster reads",
          .details =
              "All are judged first as the control plane judges them; if any is refused, nothing "
              "is\n"
              "written. Each becomes a file of its own, KIND.NAMESPACE.NAME.yaml; what other files "
              "of\n"
              "the folder hold is never changed. On a cluster: kubectl apply.",
          .flags = {kFileFlag,
                    {"--manifests", "DIR", "the folder of aquifer-control --manifests"},
                    {"--dry-run", "", "tell what would be written, and write nothing"},
                    kOutputFlag},
          .run = &RunApply};
}

}  // namespace aquifer::cli
