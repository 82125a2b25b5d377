#include "core/app/settings.h"

#include <algorithm>
#include <numeric>

extern char** environ;  // NOLINT: the C library's name

namespace aquifer::app {
namespace {

constexpr std::size_t kMaxShownBytes = 100;
// In a short name two changes make another word.
constexpr std::size_t kShortName = 8;

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// How many letters must be changed, added, left out or exchanged with their neighbour to make one
// of the other (optimal string alignment).
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// The setting that `name` comes close to, or nothing.
std::string_view Closest(std::string_view name, const std::set<std::string_view>& known) {
  const std::string upper = UpperCase(name);
  std::string_view closest;
  std::size_t least = name.size() < kShortName ? 2 : 3;
  for (const std::string_view each : known) {
    if (each.size() + 2 < upper.size() || upper.size() + 2 < each.size()) continue;
    const std::size_t distance = Distance(upper, each);
    if (distance < least) {
      least = distance;
      closest = each;
    }
  }
  return closest;
}

}  // namespace

Environment ReadEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return environment;
}

std::vector<Misspelling> FindMisspelt(const Environment& environment,
                                      const std::set<std::string_view>& known,
                                      std::span<const std::string_view> free_prefixes) {
  std::vector<Misspelling> misspelt;
  for (const auto& [name, value] : environment) {
    const auto starts = [&name = name](std::string_view prefix) {
      return name.starts_with(prefix);
    };
    if (known.contains(name) || std::ranges::any_of(free_prefixes, starts)) continue;
    const std::string_view meant = Closest(name, known);
    if (!meant.empty()) misspelt.push_back({name, std::string(meant)});
  }
  return misspelt;
}

std::map<std::string, std::string> WithPrefix(const Environment& environment,
                                              std::string_view prefix) {
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : environment) {
    if (name.starts_with(prefix) && name.size() > prefix.size())
      found[name.substr(prefix.size())] = value;
  }
  return found;
}

Refusal RefuseSetting(std::string_view name, const std::string& value, const Refusal& why) {
  return {std::string(name), why.ToString() + ": '" + value.substr(0, kMaxShownBytes) + "'"};
}

void LogNotes(obs::Logger& log, const SettingNotes& notes) {
  for (const Misspelling& misspelling : notes.misspelt) {
    log.Warn("config", "unknown setting, probably misspelt",
             {{"name", misspelling.name}, {"meant", misspelling.meant}});
  }
  for (const std::string& name : notes.ignored)
    log.Warn("config", "setting has no effect here", {{"name", name}});
}

}  // namespace aquifer::app
