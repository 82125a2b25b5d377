#include "core/app/logging_page.h"

namespace aquifer::app {

http::Response LoggingPage(obs::Logger& log, const obs::LevelFilter& initial,
                           const http::Request& request) {
  constexpr std::string_view kLevel = "level=";
  if (request.head.method != "POST") {
    return http::Response::Text(200,
                                "POST ?level=debug, ?level=scope:level,... or ?reset\ncurrent: " +
                                    log.levels().ToString() + "\n");
  }
  const std::string_view query = request.query();
  if (query != "reset" && (!query.starts_with(kLevel) || query.size() == kLevel.size()))
    return http::Response::Text(400, "not a level: " + std::string(query) + "\n");
  const Decoded<obs::LevelFilter> levels =
      query == "reset" ? Decoded<obs::LevelFilter>(initial)
                       : obs::LevelFilter::Parse(query.substr(kLevel.size()));
  if (!levels) return http::Response::Text(400, "not a level: " + levels.error().ToString() + "\n");
  log.SetLevels(*levels);
  return http::Response::Text(200, "active log level is " + levels->ToString() + "\n");
}

}  // namespace aquifer::app
