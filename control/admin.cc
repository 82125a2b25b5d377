#include "control/admin.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/app/logging_page.h"

namespace aquifer::control {
namespace {

using Json = nlohmann::ordered_json;

std::string Print(const Json& json) {
  // Text from manifests was checked to be UTF-8; a message cut within a character must not throw.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

http::Response JsonPage(std::string body) {
  http::Response response = http::Response::Text(200, std::move(body));
  response.headers.Set("content-type", "application/json");
  return response;
}

Task<http::Response> Answer(const std::function<PublicationRef()>& current, obs::Logger& log,
                            const obs::LevelFilter& levels, const http::Request& request) {
  const std::string_view path = request.path();
  if (path == "/")
    co_return http::Response::Text(200, "aquifer-control\n/status\n/resources\n/logging\n");
  if (path == "/logging") co_return app::LoggingPage(log, levels, request);
  if (path != "/status" && path != "/resources") co_return http::Response::Text(404, "not found\n");
  if (request.head.method != "GET") co_return http::Response::Text(405, "GET only\n");
  const PublicationRef publication = current();
  if (publication == nullptr)
    co_return http::Response::Text(503, "no manifests have been read yet\n");
  co_return JsonPage(path == "/status" ? StatusPage(*publication) : ResourcesPage(*publication));
}

}  // namespace

std::string StatusPage(const Publication& publication) {
  Json page;
  page["problems"] = publication.problems;
  page["kept"] = publication.kept;
  page["objects"] = Json::parse(StatusJson(publication.statuses));
  return Print(page);
}

std::string ResourcesPage(const Publication& publication) {
  Json types = Json::object();
  for (size_t i = 0; i < kResourceTypeCount; ++i) {
    const auto type = static_cast<ResourceType>(i);
    const std::string_view url = TypeUrl(type);
    Json names = Json::object();
    for (const auto& [name, resource] : publication.table->Of(type))
      names[name] = resource->version;
    types[std::string(url.substr(url.find('/') + 1))] = std::move(names);
  }
  return Print({{"version", publication.table->serial()}, {"types", std::move(types)}});
}

http::Server::Handler AdminHandler(std::function<PublicationRef()> current, obs::Logger& log) {
  return [current = std::move(current), &log, levels = log.levels()](const http::Request& request,
                                                                     StopToken) {
    return Answer(current, log, levels, request);
  };
}

}  // namespace aquifer::control
