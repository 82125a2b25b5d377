// Log levels and which of them each scope writes. Directives are those of RUST_LOG, which operators
// of the node proxy know: "info", "warn,xds=debug,hbone=trace", "access=off". Immutable values, any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace aquifer::obs {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };

// "trace", "debug", "info", "warn", "error", "off".
std::string_view LevelWord(Level level);
// Those words in any case.
std::optional<Level> ParseLevel(std::string_view word);

class LevelFilter {
 public:
  // Directives come from an operator, but over a network: both are bounds, not tuning.
  static constexpr size_t kMaxDirectives = 64;
  static constexpr size_t kMaxScopeBytes = 64;

  explicit LevelFilter(Level level = Level::kInfo) : default_(level) {}
  // Comma separated. "level" sets the default (info without one), "scope=level" or "scope:level"
  // one scope, "scope" alone all of it. The last directive for a scope wins.
  static Decoded<LevelFilter> Parse(std::string_view directives);

  // The lowest level that `scope` writes. A directive for "xds" holds for "xds::client" too; the
  // longest that fits wins.
  Level For(std::string_view scope) const;
  // Over all scopes: nothing below lowest() is written, everything from highest() on is.
  Level lowest() const;
  Level highest() const;
  // In the form that Parse reads.
  std::string ToString() const;

  friend bool operator==(const LevelFilter&, const LevelFilter&) = default;

 private:
  struct Directive {
    std::string scope;
    Level level;
    friend bool operator==(const Directive&, const Directive&) = default;
  };

  void Set(std::string_view scope, Level level);

  Level default_;
  std::vector<Directive> directives_;
};

}  // namespace aquifer::obs
