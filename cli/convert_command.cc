#include "cli/commands.h"
#include "cli/convert/convert.h"
#include "cli/input.h"
#include "kube/names.h"
#include "kube/yaml.h"

namespace aquifer::cli {
namespace {

Decoded<ConvertOptions> OptionsOf(const app::Arguments& arguments) {
  ConvertOptions options;
  options.name_space = arguments.Value("--namespace", "default");
  if (!kube::IsDnsLabel(options.name_space))
    return Refusal{"--namespace", "is not the name of a namespace"};
  if (!arguments.Has("--gateway")) return options;
  const std::string gateway = arguments.Value("--gateway");
  const size_t slash = gateway.find('/');
  const std::string space =
      slash == std::string::npos ? options.name_space : gateway.substr(0, slash);
  const std::string name = slash == std::string::npos ? gateway : gateway.substr(slash + 1);
  if (!kube::IsDnsLabel(space) || !kube::IsDnsSubdomain(name))
    return Refusal{"--gateway", "is not NAMESPACE/NAME"};
  options.gateway = {space, name};
  return options;
}

// What can be read; the rest is told.
std::vector<OrderedJson> ReadObjects(const std::vector<InputFile>& files, const Context& context,
                                     bool& good) {
  std::vector<OrderedJson> objects;
  for (const InputFile& file : files) {
    for (kube::OrderedYamlDocument& document : kube::ReadOrderedYaml(file.text, {})) {
      if (!document.value.ok()) {
        context.out.Complain(file.name + ": " + document.value.error().ToString());
        good = false;
      } else if (!document.value->is_object()) {
        context.out.Complain(file.name + ": line " + std::to_string(document.line) +
                             ": the document is no mapping");
        good = false;
      } else {
        objects.push_back(*std::move(document.value));
      }
    }
  }
  return objects;
}

// One document in JSON, as several in a row are no JSON.
void Write(const std::vector<OrderedJson>& objects, Form form, Output& out) {
  if (form == Form::kYaml || objects.size() == 1) {
    for (const OrderedJson& object : objects) out.Document(object, form);
    return;
  }
  OrderedJson list = {{"apiVersion", "v1"}, {"kind", "List"}};
  list["items"] = objects;
  out.Document(list, form);
}

int RunConvert(const Context& context) {
  const std::vector<std::string> paths = context.arguments.Values("--filename");
  if (paths.empty()) return context.Misused({"--filename", "is needed: a file, a folder, or -"});
  const Decoded<ConvertOptions> options = OptionsOf(context.arguments);
  if (!options.ok()) return context.Misused(options.error());
  const std::string word = context.arguments.Value("--output", "yaml");
  if (word != "yaml" && word != "json")
    return context.Misused({"--output", "is neither yaml nor json"});
  const Decoded<std::vector<InputFile>> files = ReadInput(paths);
  if (!files.ok()) return context.Misused(files.error());
  bool good = true;
  std::vector<OrderedJson> objects = ReadObjects(*files, context, good);
  const Conversion conversion = Convert(std::move(objects), *options);
  Write(conversion.objects, word == "json" ? Form::kJson : Form::kYaml, context.out);
  for (const std::string& sentence : conversion.done) context.out.Say(sentence);
  for (const std::string& sentence : conversion.failed) context.out.Complain(sentence);
  return good && conversion.failed.empty() ? 0 : kExitBad;
}

}  // namespace

Command ConvertCommand() {
  return {
      .name = "convert",
      .summary = "writes manifests of old API versions in those that are served",
      .details =
          "Reads objects of the Gateway API (networking.x-k8s.io/v1alpha1, v1alpha2, v1alpha3,\n"
          "v1beta1) and of Istio, writes them on standard output, and tells on standard error "
          "what\n"
          "it changed. Everything else passes through; comments are lost.",
      .flags = {kFileFlag,
                {"--output", "yaml|json", "how it is written (default yaml)", 'o'},
                {"--gateway", "NAMESPACE/NAME",
                 "of routes of v1alpha1 that no Gateway in the input has chosen"},
                {"--namespace", "NAME", "of objects that name none (default: default)", 'n'}},
      .run = &RunConvert};
}

}  // namespace aquifer::cli
