// The admin endpoints of the node proxy, on localhost: what it is doing and why, log levels, a
// graceful end. Paths, keys and answers are those that istioctl knows (/config_dump, /logging,
// /quitquitquit). Control loop.
#pragma once

#include "core/http/server.h"

namespace aquifer::node {

class Proxy;

// `proxy` outlives the handler.
http::Server::Handler AdminHandler(Proxy& proxy);

}  // namespace aquifer::node
