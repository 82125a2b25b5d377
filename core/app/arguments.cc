#include "core/app/arguments.h"

#include <algorithm>

namespace aquifer::app {

Decoded<Arguments> Arguments::Parse(std::span<const std::string_view> words,
                                    std::span<const Flag> flags) {
  Arguments parsed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with("--")) {
      parsed.plain_.emplace_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name(word.substr(0, equals));
    const auto known = std::find_if(flags.begin(), flags.end(),
                                    [&](const Flag& flag) { return flag.name == name; });
    if (known == flags.end()) return Refusal{name, "is no flag here"};
    const bool joined = equals != std::string_view::npos;
    std::string_view value;
    if (known->value.empty()) {
      if (joined) return Refusal{name, "takes no value"};
    } else {
      if (joined) value = word.substr(equals + 1);
      if (!joined && i + 1 < words.size()) value = words[++i];
      if (value.empty()) return Refusal{name, "needs " + std::string(known->value)};
    }
    if (!parsed.flags_.emplace(name, value).second) return Refusal{name, "is given twice"};
  }
  return parsed;
}

std::string Arguments::Value(std::string_view flag, std::string_view absent) const {
  const auto found = flags_.find(flag);
  return found == flags_.end() ? std::string(absent) : found->second;
}

}  // namespace aquifer::app
