#include "cli/commands.h"
#include "cli/mesh_objects.h"
#include "cli/why/explain.h"
#include "cli/why/print.h"

namespace aquifer::cli {
namespace {

constexpr size_t kMaxRemarks = 20;

// The words and flags of the command line.
Decoded<Question> ReadQuestion(const Context& context, const std::string& own) {
  const std::vector<std::string>& words = context.arguments.plain();
  if (words.size() < 2) return Refusal{"policy why", "needs FROM and TO:PORT"};
  Question question;
  AQ_TRY(question.from, ReadFrom(words[0], own));
  AQ_TRY(auto to, ReadTo(words[1], own));
  question.to = std::move(to.first);
  question.port = to.second;
  const std::string host = context.arguments.Value("--host");
  const std::vector<std::string> headers = context.arguments.Values("--header");
  if (words.size() > 2 || !host.empty() || !headers.empty()) {
    const std::string method = words.size() > 2 ? words[2] : "GET";
    const std::string path = words.size() > 3 ? words[3] : "/";
    AQ_TRY(question.request, ReadRequest(method, path, host, headers));
  }
  return question;
}

int Tell(const Context& context, MeshObjects objects, const Question& question) {
  const Decoded<Form> form = ReadForm(context.arguments.Value("--output"));
  if (!form) return context.Misused(form.error());
  std::vector<std::string> remarks = RemarksOf(objects);
  const Model model(std::move(objects.seen.objects), std::move(objects.settings));
  Decoded<Explanation> explanation = Explain(model, question);
  if (!explanation) return context.Misused(explanation.error());
  for (std::string& remark : remarks) explanation->remarks.push_back(std::move(remark));
  if (explanation->remarks.size() > kMaxRemarks) {
    explanation->remarks.resize(kMaxRemarks);
    explanation->remarks.push_back("and more");
  }
  if (*form == Form::kTable) {
    Print(*explanation, context.out);
  } else {
    context.out.Document(DocumentOf(*explanation), *form);
  }
  return explanation->outcome == Outcome::kAllowed ? 0 : kExitBad;
}

int Run(const Context& context) {
  const Decoded<Question> question =
      ReadQuestion(context, context.arguments.Value("--namespace", "default"));
  if (!question) return context.Misused(question.error());
  Decoded<MeshObjects> objects = ReadManifests(context);
  if (!objects) return context.Misused(objects.error());
  return Tell(context, *std::move(objects), *question);
}

Task<int> Ask(const Context& context, Cluster& cluster, StopToken stop) {
  const Decoded<Question> question = ReadQuestion(context, cluster.name_space());
  if (!question) co_return context.Misused(question.error());
  Result<MeshObjects, std::string> objects = co_await ReadMesh(context, cluster, stop);
  if (!objects) co_return context.Failed(objects.error());
  co_return Tell(context, *std::move(objects), *question);
}

}  // namespace

Command PolicyWhyCommand() {
  Command command;
  command.name = "policy why";
  command.summary = "which policy lets a connection or request through, or does not, and where";
  command.words = "FROM TO:PORT [METHOD PATH]";
  command.details =
      "FROM is NAMESPACE/POD, sa/NAMESPACE/ACCOUNT or an IP address. TO is NAMESPACE/NAME of a\n"
      "Service or pod, NAME.NAMESPACE, a host name or an IP address. The objects are judged by\n"
      "the code of the control plane and of the proxies, as they are now; nothing is sent.\n"
      "The exit status is 0 if it gets through, 1 if not.";
  command.flags = {kOutputFlag,
                   {"--host", "NAME", "of the request (default: the name of the Service)"},
                   {"--header", "NAME: VALUE", "of the request", 'H', true}};
  for (const CommandFlag& flag : MeshObjectsFlags()) command.flags.push_back(flag);
  command.max_words = 4;
  command.run = &Run;
  command.ask = &Ask;
  command.offline = "--manifests";
  return command;
}

}  // namespace aquifer::cli
