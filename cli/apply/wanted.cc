#include "cli/apply/wanted.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control/manifest.h"
#include "control/resources.h"
#include "kube/names.h"
#include "kube/yaml.h"

namespace aquifer::cli {
namespace {

using kube::OrderedJson;

constexpr size_t kMaxFileName = 240;
constexpr size_t kKeptOfLongName = 80;

bool IsList(const OrderedJson& value) {
  const auto kind = value.find("kind");
  const auto version = value.find("apiVersion");
  return kind != value.end() && *kind == "List" && version != value.end() && version->is_string() &&
         version->get_ref<const std::string&>().find('/') == std::string::npos;
}

class Reader {
 public:
  Wanted Run(const std::vector<InputFile>& files) {
    for (const InputFile& file : files) Read(file);
    return std::move(wanted_);
  }

 private:
  void Read(const InputFile& file) {
    control::Manifest manifest = control::ReadManifest(file.name, file.text);
    for (const control::ManifestRefusal& refusal : manifest.refusals)
      wanted_.refusals.push_back(refusal.ToString());
    wanted_.skipped.merge(manifest.skipped);
    // Nothing is written then; which objects there are otherwise does not matter.
    if (!manifest.refusals.empty()) return;
    for (const kube::OrderedYamlDocument& document : kube::ReadOrderedYaml(file.text, {})) {
      if (document.value.ok()) ReadDocument(*document.value, file.name);
    }
  }

  void ReadDocument(const OrderedJson& value, const std::string& origin) {
    if (!value.is_object()) return;
    if (!IsList(value)) return Take(value, origin);
    const auto items = value.find("items");
    if (items == value.end() || !items->is_array()) return;
    for (const OrderedJson& item : *items) Take(item, origin);
  }

  void Take(const OrderedJson& value, const std::string& origin) {
    WantedObject object;
    object.origin = origin;
    object.text = kube::WriteYaml(value);
    const control::Manifest manifest = control::ReadManifest(origin, object.text);
    if (manifest.refusals.empty() && manifest.objects.empty()) return;
    std::vector<kube::YamlDocument> documents = kube::ReadYaml(object.text, {});
    if (manifest.objects.size() != 1 || documents.size() != 1 || !documents[0].value.ok()) {
      wanted_.refusals.push_back(origin + ": an object would not be read as it is written");
      return;
    }
    object.value = *std::move(documents[0].value);
    object.key = control::KeyOf(manifest.objects.front());
    const std::string& space = object.key.namespace_name;
    if (!kube::IsDnsSubdomain(object.key.name) || !(space.empty() || kube::IsDnsLabel(space))) {
      wanted_.refusals.push_back(origin + ", " + object.key.ToString() +
                                 ": metadata: its names cannot be those of a file");
      return;
    }
    object.file = ManifestFileName(object.key);
    const auto [before, is_new] = origins_.emplace(object.file, origin);
    if (!is_new) {
      wanted_.refusals.push_back(origin + ", " + object.key.ToString() + ": is in " +
                                 before->second + " already");
      return;
    }
    wanted_.objects.push_back(std::move(object));
  }

  Wanted wanted_;
  std::map<std::string, std::string> origins_;  // by name of the file to be
};

}  // namespace

Wanted ReadWanted(const std::vector<InputFile>& files) { return Reader().Run(files); }

std::string ManifestFileName(const control::ObjectKey& key) {
  std::string name(control::KindWord(key.kind));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!key.namespace_name.empty()) name += "." + key.namespace_name;
  const std::string whole = name + "." + key.name + ".yaml";
  if (whole.size() <= kMaxFileName) return whole;
  return name + "." + key.name.substr(0, kKeptOfLongName) + "-" +
         control::ContentVersion(key.name) + ".yaml";
}

}  // namespace aquifer::cli
