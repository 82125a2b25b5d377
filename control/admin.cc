#include "control/admin.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/obs/level_filter.h"

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

http::Response Logging(obs::Logger& log, const http::Request& request) {
  constexpr std::string_view kLevel = "level=";
  if (request.head.method != "POST") {
    return http::Response::Text(200, "POST ?level=debug or ?level=scope:level,...\ncurrent: " +
                                         log.levels().ToString() + "\n");
  }
  const std::string_view query = request.query();
  if (!query.starts_with(kLevel)) return http::Response::Text(400, "level=... is missing\n");
  Decoded<obs::LevelFilter> levels = obs::LevelFilter::Parse(query.substr(kLevel.size()));
  if (!levels.ok()) return http::Response::Text(400, levels.error().ToString() + "\n");
  log.SetLevels(*levels);
  return http::Response::Text(200, "log level is " + levels->ToString() + "\n");
}

Task<http::Response> Answer(const std::function<PublicationRef()>& current, obs::Logger& log,
                            const http::Request& request) {
  const std::string_view path = request.path();
  if (path == "/")
    co_return http::Response::Text(200, "aquifer-control\n/status\n/resources\n/logging\n");
  if (path == "/logging") co_return Logging(log, request);
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
  return [current = std::move(current), &log](const http::Request& request, StopToken) {
    return Answer(current, log, request);
  };
}

}  // namespace aquifer::control
