#include "core/app/arguments.h"

#include <optional>

namespace aquifer::app {
namespace {

// A word that names a flag, and the value that is joined to it, if one is.
struct Spelling {
  const Flag* flag = nullptr;  // null: none that is known
  std::string_view name;
  std::optional<std::string_view> value;
};

Spelling ReadLong(std::string_view word, std::span<const Flag> flags) {
  Spelling read;
  const std::size_t equals = word.find('=');
  read.name = word.substr(0, equals);
  if (equals != std::string_view::npos) read.value = word.substr(equals + 1);
  for (const Flag& flag : flags) {
    if (flag.name == read.name) read.flag = &flag;
  }
  return read;
}

Spelling ReadShort(std::string_view word, std::span<const Flag> flags) {
  Spelling read;
  if (word.size() < 2 || word[0] != '-') return read;
  for (const Flag& flag : flags) {
    if (flag.letter == word[1] && flag.letter != 0) read.flag = &flag;
  }
  read.name = word.substr(0, 2);
  word.remove_prefix(2);
  if (word.starts_with('=')) {
    read.value = word.substr(1);
  } else if (!word.empty()) {
    read.value = word;
  }
  return read;
}

}  // namespace

Decoded<Arguments> Arguments::Parse(std::span<const std::string_view> words,
                                    std::span<const Flag> flags) {
  Arguments parsed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_long = words[i].starts_with("--");
    const Spelling read = is_long ? ReadLong(words[i], flags) : ReadShort(words[i], flags);
    const std::string name(read.name);
    if (read.flag == nullptr) {
      if (is_long) return Refusal{name, "is no flag here"};
      parsed.plain_.emplace_back(words[i]);
      continue;
    }
    std::string_view value = read.value.value_or("");
    if (read.flag->value.empty()) {
      if (read.value) return Refusal{name, "takes no value"};
    } else {
      if (!read.value && i + 1 < words.size()) value = words[++i];
      if (value.empty()) return Refusal{name, "needs " + std::string(read.flag->value)};
    }
    std::vector<std::string>& values = parsed.flags_[std::string(read.flag->name)];
    if (!values.empty() && !read.flag->repeats) return Refusal{name, "is given twice"};
    values.emplace_back(value);
  }
  return parsed;
}

std::string Arguments::Value(std::string_view flag, std::string_view absent) const {
  const auto found = flags_.find(flag);
  return found == flags_.end() ? std::string(absent) : found->second.back();
}

std::vector<std::string> Arguments::Values(std::string_view flag) const {
  const auto found = flags_.find(flag);
  return found == flags_.end() ? std::vector<std::string>() : found->second;
}

}  // namespace aquifer::app
