#include "core/app/local_servers.h"

#include <utility>

#include "core/app/gzip.h"

namespace aquifer::app {
namespace {

// Of an answer worth it.
void Compress(http::Response& response, const http::Request& request) {
  constexpr std::size_t kWorthIt = 1024;
  response.headers.Set("vary", "accept-encoding");
  const std::string_view accepted = request.head.headers.Get("accept-encoding").value_or("");
  if (response.body.size() < kWorthIt || !AcceptsGzip(accepted)) return;
  std::optional<std::string> packed = Gzip(response.body);
  if (!packed) return;
  response.body = *std::move(packed);
  response.headers.Set("content-encoding", "gzip");
}

Task<http::Response> AnswerStats(const obs::Registry& registry,
                                 const std::function<std::string()>& more,
                                 const http::Request& request) {
  if (request.path() != "/metrics" && request.path() != "/stats/prometheus")
    co_return http::Response::Text(404, "not found\n");
  std::string text = registry.Text();
  // Ahead of the "# EOF" that ends it.
  if (more) text.insert(text.size() - std::string_view("# EOF\n").size(), more());
  http::Response response = http::Response::Text(200, std::move(text));
  const bool open_metrics = request.head.headers.Get("accept").value_or("").find(
                                "application/openmetrics-text") != std::string_view::npos;
  response.headers.Set("content-type",
                       open_metrics ? "application/openmetrics-text;charset=utf-8;version=1.0.0"
                                    : "text/plain; charset=utf-8");
  Compress(response, request);
  co_return response;
}

Task<http::Response> AnswerReady(const std::function<std::vector<std::string>()>& pending,
                                 const http::Request& request) {
  if (request.path() != "/healthz/ready") co_return http::Response::Text(404, "not found\n");
  const std::vector<std::string> missing = pending();
  if (missing.empty()) co_return http::Response::Text(200, "ready\n");
  std::string text = "not ready, pending: ";
  for (const std::string& each : missing) text += (&each == &missing.front() ? "" : ", ") + each;
  co_return http::Response::Text(500, text + "\n");
}

}  // namespace

Result<void, Refusal> LocalServers::Listen(const std::string& what, Address address,
                                           http::Server::Handler handler) {
  Result<std::unique_ptr<io::Listener>> listener = io::Listener::Listen(address);
  if (!listener && address.ip == Ip::Any6())
    listener = io::Listener::Listen(Address{Ip::Any4(), address.port});
  if (!listener)
    return Refusal{what, address.ToString() + " cannot be bound: " + Describe(listener.error())};
  servers_.push_back(std::make_unique<http::Server>(*std::move(listener), http::ServerOptions{},
                                                    std::move(handler)));
  return {};
}

void LocalServers::Serve(Scope& tasks, StopToken stop) {
  for (const std::unique_ptr<http::Server>& server : servers_) tasks.Spawn(server->Run(stop));
}

http::Server::Handler StatsHandler(const obs::Registry& registry,
                                   std::function<std::string()> more) {
  return [&registry, more = std::move(more)](const http::Request& request, StopToken) {
    return AnswerStats(registry, more, request);
  };
}

http::Server::Handler ReadyHandler(std::function<std::vector<std::string>()> pending) {
  return [pending = std::move(pending)](const http::Request& request, StopToken) {
    return AnswerReady(pending, request);
  };
}

}  // namespace aquifer::app
