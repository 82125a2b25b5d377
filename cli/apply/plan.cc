#include "cli/apply/plan.h"

#include <map>
#include <optional>
#include <utility>

#include "control/decode/decode.h"
#include "control/source/directory.h"
#include "core/base/folder_file.h"
#include "kube/yaml.h"

namespace aquifer::cli {
namespace {

using control::ObjectKey;
using kube::Json;

constexpr control::DirectoryLimits kLimits;

struct Place {
  std::string file;
  Json value;
};

struct FileContent {
  size_t objects = 0;   // of any kind
  std::string problem;  // why it cannot be told what it holds
};

// What the folder holds of the objects that are asked for.
class Folder {
 public:
  Folder(std::string path, const std::vector<WantedObject>& wanted) : path_(std::move(path)) {
    for (const WantedObject& object : wanted) places_[object.key];
  }

  Result<void, Refusal> Read() {
    AQ_TRY(const std::set<std::string> names, control::ManifestNames(path_));
    if (names.size() > kLimits.files)
      return Refusal{path_, "has more than " + std::to_string(kLimits.files) + " manifests"};
    for (const std::string& name : names) ReadFile(name);
    return {};
  }

  const std::map<std::string, FileContent>& files() const { return files_; }
  const std::vector<Place>& PlacesOf(const ObjectKey& key) const { return places_.at(key); }
  size_t bytes() const { return bytes_; }

 private:
  void ReadFile(const std::string& name) {
    FileContent& content = files_[name];
    const auto text = ReadFolderFile(path_, name, kLimits.file_bytes);
    if (!text.ok()) {
      content.problem = text.error().why;
      return;
    }
    bytes_ += text->size();
    for (const kube::YamlDocument& document : kube::ReadYaml(*text, {})) {
      if (!document.value.ok()) {
        content.problem = document.value.error().ToString();
      } else {
        ReadObject(*document.value, name, content);
      }
    }
  }

  void ReadObject(const Json& value, const std::string& name, FileContent& content) {
    const auto items = value.is_object() ? value.find("items") : value.end();
    if (value.is_object() && items != value.end() && items->is_array()) {
      for (const Json& item : *items) Note(item, name, content);
    } else {
      Note(value, name, content);
    }
  }

  void Note(const Json& value, const std::string& name, FileContent& content) {
    ++content.objects;
    const std::optional<ObjectKey> key = KeyOf(value);
    const auto found = key ? places_.find(*key) : places_.end();
    if (found != places_.end()) found->second.push_back({name, value});
  }

  static std::optional<ObjectKey> KeyOf(const Json& value) {
    if (!value.is_object()) return std::nullopt;
    const std::string version = TextOf(value, "apiVersion");
    const size_t slash = version.find('/');
    control::TypeMeta type;
    if (slash != std::string::npos) type.group = version.substr(0, slash);
    type.kind = TextOf(value, "kind");
    const control::DecoderRow* const row = control::FindDecoder(type);
    return row == nullptr ? std::nullopt : control::KeyOfDocument(value, *row);
  }

  static std::string TextOf(const Json& value, const char* key) {
    const auto found = value.find(key);
    return found != value.end() && found->is_string() ? found->get<std::string>() : "";
  }

  const std::string path_;
  std::map<ObjectKey, std::vector<Place>> places_;  // of each that is asked for
  std::map<std::string, FileContent> files_;
  size_t bytes_ = 0;
};

// What is to be done for one, or why it cannot be.
Result<Step, std::string> StepFor(const WantedObject& object, const Folder& folder) {
  const std::vector<Place>& places = folder.PlacesOf(object.key);
  for (const Place& place : places) {
    if (place.file == object.file) continue;
    if (places.size() == 1 && place.value == object.value)
      return Step{&object, Change::kUnchanged, place.file};
    return object.key.ToString() + " is in " + place.file +
           " of the folder, and otherwise: change it there, or take it out of that file";
  }
  const auto own = folder.files().find(object.file);
  if (own == folder.files().end()) return Step{&object, Change::kNew, object.file};
  if (!own->second.problem.empty())
    return object.file + " of the folder cannot be read: " + own->second.problem +
           "; mend it, or take it away";
  if (places.size() != 1 || own->second.objects != 1)
    return object.file + " of the folder holds something else than " + object.key.ToString() +
           ": give that a file of another name";
  const Change change =
      places.front().value == object.value ? Change::kUnchanged : Change::kChanged;
  return Step{&object, change, object.file};
}

// The control plane would leave out what goes beyond its bounds.
void Bound(const Folder& folder, Plan& plan) {
  size_t files = folder.files().size();
  size_t bytes = folder.bytes();
  for (const Step& step : plan.steps) {
    files += step.change == Change::kNew ? 1 : 0;
    bytes += step.change == Change::kUnchanged ? 0 : step.object->text.size();
  }
  if (files > kLimits.files)
    plan.obstacles.push_back("the folder would have more than " + std::to_string(kLimits.files) +
                             " manifests, and the control plane reads no more");
  if (bytes > kLimits.total_bytes)
    plan.obstacles.push_back("the folder would hold more than " +
                             std::to_string(kLimits.total_bytes) +
                             " bytes, and the control plane reads no more");
}

}  // namespace

Decoded<Plan> MakePlan(const std::string& path, const std::vector<WantedObject>& objects) {
  Folder folder(path, objects);
  AQ_TRY_STATUS(folder.Read());
  Plan plan;
  for (const WantedObject& object : objects) {
    Result<Step, std::string> step = StepFor(object, folder);
    if (step.ok()) {
      plan.steps.push_back(*std::move(step));
    } else {
      plan.obstacles.push_back(std::move(step).error());
    }
  }
  for (const auto& [name, content] : folder.files()) {
    if (!content.problem.empty())
      plan.remarks.push_back(
          name +
          " of the folder cannot be read, so what it holds is not known: " + content.problem);
  }
  Bound(folder, plan);
  return plan;
}

}  // namespace aquifer::cli
