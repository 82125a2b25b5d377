// Settings from the environment: one table a program, one row a setting, applied in order and
// checked before anything starts. What is refused names the variable; what may be a misspelling of
// one is found, for a warning. What a row does with its value comes from core/app/setting_values.h
// or is the program's own. Used by main() once, before any thread.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/obs/log.h"

namespace aquifer::app {

using Environment = std::map<std::string, std::string>;
// The process's own.
Environment ReadEnvironment();

// Where a value goes. The refusal says what is wrong with the value and has no field.
template <class Config>
using Apply = std::function<Result<void, Refusal>(Config& config, const std::string& value)>;

template <class Config>
struct Setting {
  std::string_view name;
  Apply<Config> apply;  // none: of Istio's node proxy, and without effect here
};

// The table of a program; where two rows set the same, the later one wins.
template <class Config>
using Settings = std::vector<Setting<Config>>;

struct Misspelling {
  std::string name;
  std::string meant;
};

// What an operator should hear of, though it stops nothing.
struct SettingNotes {
  std::vector<std::string> ignored;  // given, and without effect here
  std::vector<Misspelling> misspelt;
};

// Names of the environment that are no setting and close to one. Those that start with one of
// `free_prefixes` have a free end and are none.
std::vector<Misspelling> FindMisspelt(const Environment& environment,
                                      const std::set<std::string_view>& known,
                                      std::span<const std::string_view> free_prefixes);

// Entries whose name starts with `prefix`, under the rest of it.
std::map<std::string, std::string> WithPrefix(const Environment& environment,
                                              std::string_view prefix);

// "XDS_ADDRESS: is not host:port: 'x'"
Refusal RefuseSetting(std::string_view name, const std::string& value, const Refusal& why);

void LogNotes(obs::Logger& log, const SettingNotes& notes);

// Applies what the environment has of the table.
template <class Config>
Decoded<SettingNotes> ApplySettings(const Settings<Config>& settings,
                                    const Environment& environment, Config& config,
                                    std::span<const std::string_view> free_prefixes = {}) {
  SettingNotes notes;
  std::set<std::string_view> known;
  for (const Setting<Config>& setting : settings) {
    known.insert(setting.name);
    const auto found = environment.find(std::string(setting.name));
    if (found == environment.end()) continue;
    if (setting.apply == nullptr) {
      notes.ignored.emplace_back(setting.name);
      continue;
    }
    const Result<void, Refusal> applied = setting.apply(config, found->second);
    if (!applied.ok()) return RefuseSetting(setting.name, found->second, applied.error());
  }
  notes.misspelt = FindMisspelt(environment, known, free_prefixes);
  return notes;
}

}  // namespace aquifer::app
