#include "proxy/admin.h"

#include "core/app/logging_page.h"

namespace aquifer::proxy {
namespace {

Task<http::Response> ConfigDump(const AdminPages& pages) {
  std::string dump = co_await pages.config_dump();
  http::Response response = http::Response::Text(200, std::move(dump));
  response.headers.Set("content-type", "application/json");
  co_return response;
}

http::Response Quit(const AdminPages& pages, const http::Request& request) {
  if (request.head.method != "POST") return http::Response::Text(405, "POST only\n");
  pages.quit();
  return http::Response::Text(200, "shutdown now\n");
}

Task<http::Response> Answer(const AdminPages& pages, const obs::LevelFilter& levels,
                            const http::Request& request) {
  const std::string_view path = request.path();
  if (path == "/config_dump") co_return co_await ConfigDump(pages);
  if (path == "/logging") co_return app::LoggingPage(pages.log, levels, request);
  if (path == "/quitquitquit") co_return Quit(pages, request);
  const std::string list = std::string(pages.program) + "\n/config_dump\n/logging\n/quitquitquit\n";
  if (path == "/") co_return http::Response::Text(200, list);
  co_return http::Response::Text(404, "not found\n");
}

}  // namespace

http::Server::Handler AdminHandler(AdminPages pages) {
  const obs::LevelFilter levels = pages.log.levels();
  return [pages = std::move(pages), levels](const http::Request& request, StopToken) {
    return Answer(pages, levels, request);
  };
}

}  // namespace aquifer::proxy
