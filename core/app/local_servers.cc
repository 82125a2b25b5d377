#include "core/app/local_servers.h"

#include <utility>

#include "core/app/gzip.h"
#include "core/app/stats_page.h"

namespace aquifer::app {
namespace {

Task<http::Response> AnswerStats(const std::shared_ptr<StatsPage>& page,
                                 const http::Request& request) {
  if (request.path() != "/metrics" && request.path() != "/stats/prometheus")
    co_return http::Response::Text(404, "not found\n");
  using Encoding = StatsPage::Encoding;
  const http::HeaderList& asked = request.head.headers;
  const bool gzip = AcceptsGzip(asked.Get("accept-encoding").value_or(""));
  const std::shared_ptr<const StatsPage::Rendering> rendering =
      page->Get(gzip ? Encoding::kGzip : Encoding::kPlain);
  http::Response response;
  const bool open_metrics = asked.Get("accept").value_or("").find("application/openmetrics-text") !=
                            std::string_view::npos;
  response.headers.Set("content-type",
                       open_metrics ? "application/openmetrics-text;charset=utf-8;version=1.0.0"
                                    : "text/plain; charset=utf-8");
  response.headers.Set("vary", "accept-encoding");
  if (rendering->encoding == Encoding::kGzip) response.headers.Set("content-encoding", "gzip");
  response.shared = std::shared_ptr<const Chunk>(rendering, &rendering->bytes);
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
  return [page = std::make_shared<StatsPage>(registry, std::move(more))](
             const http::Request& request, StopToken) { return AnswerStats(page, request); };
}

http::Server::Handler ReadyHandler(std::function<std::vector<std::string>()> pending) {
  return [pending = std::move(pending)](const http::Request& request, StopToken) {
    return AnswerReady(pending, request);
  };
}

}  // namespace aquifer::app
