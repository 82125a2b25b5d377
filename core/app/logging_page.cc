#include "core/app/logging_page.h"

#include <optional>

#include "absl/strings/str_split.h"

namespace aquifer::app {
namespace {

constexpr std::string_view kUsage =
    "usage: POST /logging                             (what is written now)\n"
    "usage: POST /logging?level=LEVEL                 (for everything)\n"
    "usage: POST /logging?level=SCOPE:LEVEL,...       (for single scopes)\n"
    "usage: POST /logging?reset                       (as at the start)\n"
    "levels: error warn info debug trace off\n";

http::Response Refused(std::string_view what) {
  return http::Response::Text(400,
                              "not a level: " + std::string(what) + "\n" + std::string(kUsage));
}

// A word alone is a level here, although RUST_LOG lets it be a scope too: it is a slip of the pen.
bool NamesLevels(std::string_view directives) {
  for (const std::string_view each : absl::StrSplit(directives, ',')) {
    if (each.find_first_of(":=") == std::string_view::npos && !obs::ParseLevel(each)) return false;
  }
  return true;
}

}  // namespace

http::Response LoggingPage(obs::Logger& log, const obs::LevelFilter& initial,
                           const http::Request& request) {
  constexpr std::string_view kLevel = "level=";
  if (request.head.method != "POST") {
    return http::Response::Text(
        200, std::string(kUsage) + "current log level is " + log.levels().ToString() + "\n");
  }
  std::optional<obs::LevelFilter> chosen;
  for (const std::string_view word : absl::StrSplit(request.query(), '&', absl::SkipEmpty())) {
    if (word == "reset") {
      chosen = initial;
      continue;
    }
    if (!word.starts_with(kLevel)) return Refused(word);
    const std::string_view directives = word.substr(kLevel.size());
    if (directives.empty()) continue;  // so istioctl asks what is written now
    if (!NamesLevels(directives)) return Refused(directives);
    const Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(directives);
    if (!levels) return Refused(levels.error().ToString());
    chosen = *levels;
  }
  if (chosen) log.SetLevels(*chosen);
  return http::Response::Text(200, "current log level is " + log.levels().ToString() + "\n");
}

}  // namespace aquifer::app
