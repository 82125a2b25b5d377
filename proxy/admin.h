// The admin pages of a proxy, on localhost: what it is doing and why, log levels, a graceful end.
// Paths and answers are those that istioctl knows (/config_dump, /logging, /quitquitquit). Control
// loop.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/http/server.h"
#include "core/obs/log.h"

namespace aquifer::proxy {

// What a program has to say for itself; what it refers to outlives the handler.
struct AdminPages {
  std::string_view program;
  std::function<Task<std::string>()> config_dump;  // JSON
  std::function<void()> quit;                      // starts the drain
  obs::Logger& log;
};

// POST /logging?reset goes back to the levels of now.
http::Server::Handler AdminHandler(AdminPages pages);

}  // namespace aquifer::proxy
