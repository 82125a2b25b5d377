#include <algorithm>
#include <array>

#include "cli/install/manifest.h"
#include "kube/yaml.h"

namespace aquifer::cli {
namespace {

// A value of the chart that stands in the manifests as it is: its default, wherever it begins a
// path or is the whole of a text.
struct Setting {
  std::string_view key;
  std::string_view usual;
  std::string_view kind;  // of the only object that holds it; empty: any may
  std::string_view name;
  bool is_folder;
};
constexpr std::array<Setting, 5> kSettings = {{
    {"image.name", "aquifer:dev", "", "", false},
    {"image.pullPolicy", "IfNotPresent", "", "", false},
    {"cni.configFolder", "/etc/cni/net.d", "DaemonSet", "aquifer-cni", true},
    {"cni.pluginFolder", "/opt/cni/bin", "DaemonSet", "aquifer-cni", true},
    {"cni.runFolder", "/var/run/aquifer-cni", "DaemonSet", "aquifer-cni", true},
}};

void Replace(std::string& text, const Setting& setting, const std::string& value) {
  if (!setting.is_folder) {
    if (text == setting.usual) text = value;
    return;
  }
  for (size_t at = text.find(setting.usual); at != std::string::npos;
       at = text.find(setting.usual, at + value.size()))
    text.replace(at, setting.usual.size(), value);
}

void ReplaceIn(Json& value, const Setting& setting, const std::string& text) {
  if (value.is_string()) return Replace(value.get_ref<std::string&>(), setting, text);
  if (!value.is_structured()) return;
  for (Json& member : value) ReplaceIn(member, setting, text);
}

// What could break out of a text of JSON or of a path is no value of these.
bool IsSound(std::string_view value, const Setting& setting) {
  const auto sound = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._-/:@").find(c) != std::string_view::npos;
  };
  if (value.empty() || value.size() > 512) return false;
  if (setting.is_folder && (value[0] != '/' || value.size() < 2)) return false;
  return std::all_of(value.begin(), value.end(), sound);
}

Result<void, Refusal> Apply(std::vector<Json>& objects, const std::string& given) {
  const size_t equals = std::min(given.find('='), given.size());
  const std::string key = given.substr(0, equals);
  const auto setting = std::find_if(kSettings.begin(), kSettings.end(),
                                    [&](const Setting& each) { return each.key == key; });
  if (setting == kSettings.end() || equals == given.size())
    return Refusal{"--set " + key, "is none of these: " + SettableNames() +
                                       " (as KEY=VALUE); others are for the chart"};
  const std::string value = given.substr(equals + 1);
  if (!IsSound(value, *setting)) return Refusal{"--set " + key, "cannot be \"" + value + "\""};
  for (Json& object : objects) {
    const bool is_it = setting->kind.empty() || (object.value("kind", "") == setting->kind &&
                                                 object["metadata"]["name"] == setting->name);
    if (is_it) ReplaceIn(object, *setting, value);
  }
  return {};
}

}  // namespace

std::string SettableNames() {
  std::string names;
  for (const Setting& setting : kSettings)
    names += (names.empty() ? "" : " ") + std::string(setting.key);
  return names;
}

Decoded<std::vector<Json>> ManifestObjects(std::string_view manifest,
                                           const std::vector<std::string>& settings) {
  std::vector<Json> objects;
  for (kube::YamlDocument& document : kube::ReadYaml(manifest, {})) {
    if (!document.value.ok()) return std::move(document.value).error();
    if (!document.value->is_object() || !document.value->contains("metadata"))
      return Refusal{"line " + std::to_string(document.line), "is no object"};
    objects.push_back(*std::move(document.value));
  }
  for (const std::string& given : settings) {
    auto applied = Apply(objects, given);
    if (!applied.ok()) return std::move(applied).error();
  }
  return objects;
}

}  // namespace aquifer::cli
