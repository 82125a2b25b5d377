#include "core/obs/level_filter.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace aquifer::obs {
namespace {

constexpr std::array<std::string_view, 6> kWords = {"trace", "debug", "info",
                                                    "warn",  "error", "off"};

struct Split {
  std::string_view scope;
  std::string_view level;  // empty: none given
};

// Splits at '=', else at the last ':' that is not half of the "::" inside a scope.
Split SplitDirective(std::string_view directive) {
  size_t at = directive.find('=');
  if (at == directive.npos) {
    at = directive.rfind(':');
    if (at == directive.npos || (at > 0 && directive[at - 1] == ':')) return {directive, {}};
  }
  return {directive.substr(0, at), directive.substr(at + 1)};
}

bool IsScope(std::string_view text) {
  return !text.empty() && text.size() <= LevelFilter::kMaxScopeBytes &&
         std::ranges::all_of(text, [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == ':' || c == '.';
         });
}

bool Covers(std::string_view directive, std::string_view scope) {
  return scope.starts_with(directive) &&
         (scope.size() == directive.size() || scope.substr(directive.size()).starts_with("::"));
}

}  // namespace

std::string_view LevelWord(Level level) { return kWords.at(static_cast<size_t>(level)); }

std::optional<Level> ParseLevel(std::string_view word) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (absl::EqualsIgnoreCase(word, kWords[i])) return static_cast<Level>(i);
  }
  return std::nullopt;
}

Decoded<LevelFilter> LevelFilter::Parse(std::string_view directives) {
  LevelFilter filter;
  while (!directives.empty()) {
    const size_t comma = directives.find(',');
    const std::string_view directive = absl::StripAsciiWhitespace(directives.substr(0, comma));
    directives.remove_prefix(comma == directives.npos ? directives.size() : comma + 1);
    if (directive.empty()) continue;
    if (const std::optional<Level> level = ParseLevel(directive)) {
      filter.default_ = *level;
      continue;
    }
    const Split split = SplitDirective(directive);
    const bool names_level = split.scope.size() != directive.size();
    const std::optional<Level> level = names_level ? ParseLevel(split.level) : Level::kTrace;
    const std::string shown(directive.substr(0, kMaxScopeBytes));
    if (!level) return Refusal{shown, "the level is none of trace, debug, info, warn, error, off"};
    if (!IsScope(split.scope)) return Refusal{shown, "the scope is not a name"};
    filter.Set(split.scope, *level);
    if (filter.directives_.size() > kMaxDirectives) return Refusal{shown, "too many scopes"};
  }
  return filter;
}

void LevelFilter::Set(std::string_view scope, Level level) {
  const auto known = std::ranges::find(directives_, scope, &Directive::scope);
  if (known != directives_.end()) {
    known->level = level;
  } else {
    directives_.push_back({std::string(scope), level});
  }
}

Level LevelFilter::For(std::string_view scope) const {
  const Directive* best = nullptr;
  for (const Directive& directive : directives_) {
    if (!Covers(directive.scope, scope)) continue;
    if (best == nullptr || directive.scope.size() > best->scope.size()) best = &directive;
  }
  return best == nullptr ? default_ : best->level;
}

Level LevelFilter::lowest() const {
  Level level = default_;
  for (const Directive& directive : directives_) level = std::min(level, directive.level);
  return level;
}

Level LevelFilter::highest() const {
  Level level = default_;
  for (const Directive& directive : directives_) level = std::max(level, directive.level);
  return level;
}

std::string LevelFilter::ToString() const {
  std::string text(LevelWord(default_));
  for (const Directive& directive : directives_) {
    text += ',';
    text += directive.scope;
    text += '=';
    text += LevelWord(directive.level);
  }
  return text;
}

}  // namespace aquifer::obs
