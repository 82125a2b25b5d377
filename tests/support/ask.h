// Asks an HTTP handler as a client of the server around it would, for tests of pages.
#pragma once

#include <string>

#include "core/http/server.h"
#include "tests/support/run_task.h"

namespace aquifer::test {

inline Task<void> AskInto(const http::Server::Handler& handler, const http::Request& request,
                          http::Response& response) {
  response = co_await handler(request, StopToken());
}

inline http::Response Ask(const http::Server::Handler& handler, std::string method,
                          std::string path, std::string accept = "") {
  http::Request request;
  request.head.method = std::move(method);
  request.head.path = std::move(path);
  if (!accept.empty()) request.head.headers.Set("accept", accept);
  http::Response response;
  Run(AskInto(handler, request, response));
  return response;
}

}  // namespace aquifer::test
