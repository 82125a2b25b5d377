// The /logging page of the admin servers: shows and sets the log levels, as istioctl and people
// with curl do. Control loop.
#pragma once

#include "core/http/server.h"
#include "core/obs/log.h"

namespace aquifer::app {

// POST ?level=... sets, ?reset goes back to `initial`; anything else shows the present ones.
http::Response LoggingPage(obs::Logger& log, const obs::LevelFilter& initial,
                           const http::Request& request);

}  // namespace aquifer::app
