#include "redirect/cni_chain.h"

#include <algorithm>
#include <utility>

#include "redirect/cni_conf.h"

namespace aquifer::redirect {
namespace {

using Json = OrderedJson;

constexpr std::string_view kListEnding = ".conflist";
constexpr std::string_view kWrapperEnding = "-aquifer.conflist";
constexpr size_t kMaxPlugins = 64;
constexpr size_t kMaxName = 253;

bool IsOurs(const Json& plugin) {
  if (!plugin.is_object()) return false;
  const Decoded<std::string> type = TextOf(plugin, "type", kMaxName);
  return type && *type == kPluginType;
}

// As people write these files. What could not be read again, being over a bound now, is not
// written.
Decoded<std::string> TextOfFile(const Json& json) {
  std::string text = json.dump(2) + "\n";
  const Decoded<Json> again = ReadOrderedJson(text);
  if (!again) return again.error();
  return text;
}

Decoded<Edit> EditTo(const Json& json) {
  AQ_TRY(std::string text, TextOfFile(json));
  return Edit(std::move(text));
}

// A version that our plugin does not speak would keep every pod of the node from starting.
Result<void, Refusal> CheckVersion(const Json& json) {
  AQ_TRY(const std::string version, TextOf(json, "cniVersion", kMaxName));
  if (IsKnownCniVersion(version)) return {};
  return Refusal{"cniVersion",
                 "\"" + version + "\" is none from 0.3.0 to " + std::string(kNewestCniVersion)};
}

Refusal TooMany() { return {"plugins", "are more than " + std::to_string(kMaxPlugins)}; }

// A list that a runtime would take.
Decoded<Json> ReadList(std::string_view text) {
  AQ_TRY(Json list, ReadOrderedJson(text));
  const Json* const plugins = MemberOf(list, "plugins");
  if (plugins == nullptr || !plugins->is_array() || plugins->empty())
    return Refusal{"plugins", "is not a list of plugins"};
  if (plugins->size() > kMaxPlugins) return TooMany();
  for (const Json& plugin : *plugins) {
    if (!plugin.is_object()) return Refusal{"plugins", "has an entry that is not an object"};
  }
  return list;
}

Result<void, Refusal> CheckName(const Json& json) {
  AQ_TRY(const std::string name, TextOf(json, "name", kMaxName));
  if (name.empty()) return Refusal{"name", "is missing"};
  return {};
}

}  // namespace

Decoded<Json> MakePluginEntry(std::string_view settings) {
  Json entry = {{"type", std::string(kPluginType)},
                {"socket", std::string(kPluginSocket)},
                {"timeoutSeconds", PluginSettings().timeout.count()},
                {"failClosed", PluginSettings().fail_closed},
                {"excludeNamespaces", {"kube-system", "aquifer-system"}}};
  if (settings.empty()) return entry;
  AQ_TRY(const Json given, ReadOrderedJson(settings));
  for (const auto& [key, value] : given.items()) {
    if (key == "type" || !entry.contains(key)) return Refusal{key, "is no setting of the plugin"};
    entry[key] = value;
  }
  const Decoded<PluginSettings> usable = ReadPluginSettings(entry);
  if (!usable) return usable.error();
  return entry;
}

Decoded<Edit> WithPlugin(std::string_view conflist, const Json& entry) {
  AQ_TRY(Json list, ReadList(conflist));
  AQ_TRY_STATUS(CheckVersion(list));
  AQ_TRY_STATUS(CheckName(list));
  const Json before = list["plugins"];
  if (IsOurs(before[0])) return Refusal{"plugins[0]", "is our plugin, with none before it"};
  Json after = Json::array();
  bool placed = false;
  for (const Json& plugin : before) {
    if (!IsOurs(plugin)) after.push_back(plugin);
    if (IsOurs(plugin) && !std::exchange(placed, true)) after.push_back(entry);
  }
  if (!placed) after.push_back(entry);
  if (after == before) return Edit();
  if (after.size() > kMaxPlugins) return TooMany();
  list["plugins"] = std::move(after);
  return EditTo(list);
}

Decoded<Edit> WithoutPlugin(std::string_view conflist) {
  AQ_TRY(Json list, ReadList(conflist));
  Json after = Json::array();
  for (const Json& plugin : list["plugins"]) {
    if (!IsOurs(plugin)) after.push_back(plugin);
  }
  if (after.size() == list["plugins"].size()) return Edit();
  if (after.empty()) return Refusal{"plugins", "has no plugin but ours"};
  list["plugins"] = std::move(after);
  return EditTo(list);
}

Decoded<std::string> WrapConf(std::string_view conf, const Json& entry) {
  AQ_TRY(Json plugin, ReadOrderedJson(conf));
  AQ_TRY_STATUS(CheckVersion(plugin));
  AQ_TRY_STATUS(CheckName(plugin));
  AQ_TRY(const std::string type, TextOf(plugin, "type", kMaxName));
  if (type.empty()) return Refusal{"type", "is missing"};
  if (type == kPluginType) return Refusal{"type", "is our plugin, with none before it"};
  Json list;
  list["cniVersion"] = plugin["cniVersion"];
  list["name"] = plugin["name"];
  list["plugins"] = Json::array();
  list["plugins"].push_back(std::move(plugin));
  list["plugins"].push_back(entry);
  return TextOfFile(list);
}

bool HasPlugin(std::string_view conflist) {
  const Decoded<Json> list = ReadList(conflist);
  if (!list) return false;
  const Json& plugins = *MemberOf(*list, "plugins");
  return std::any_of(plugins.begin(), plugins.end(), &IsOurs);
}

bool IsListName(std::string_view name) {
  return name.size() > kListEnding.size() && name.ends_with(kListEnding);
}

bool IsConfName(std::string_view name) {
  return IsListName(name) || name.ends_with(".conf") || name.ends_with(".json");
}

std::string WrapperOf(std::string_view conf_name) {
  return std::string(conf_name.substr(0, conf_name.rfind('.'))) + std::string(kWrapperEnding);
}

bool IsWrapper(std::string_view name) { return name.ends_with(kWrapperEnding); }

std::string FirstConf(std::vector<std::string> names) {
  std::erase_if(names,
                [](const std::string& name) { return !IsConfName(name) || IsWrapper(name); });
  const auto first = std::min_element(names.begin(), names.end());
  return first == names.end() ? std::string() : *first;
}

}  // namespace aquifer::redirect
