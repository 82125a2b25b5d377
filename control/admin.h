// What the control plane tells an operator over HTTP: the state of every object, what was refused
// and why, and the resources that are served. The pages are pure; the handler belongs to the
// servers' loop.
#pragma once

#include <functional>
#include <string>

#include "control/publication.h"
#include "core/http/server.h"
#include "core/obs/log.h"

namespace aquifer::control {

// {"problems": [...], "kept": n, "objects": [...]}, objects as Kubernetes would show their status.
std::string StatusPage(const Publication& publication);
// {"version": n, "types": {"<type>": {"<name>": "<version>"}}}.
std::string ResourcesPage(const Publication& publication);

// /status, /resources and /logging. `current` gives null before the first publication; both outlive
// the handler.
http::Server::Handler AdminHandler(std::function<PublicationRef()> current, obs::Logger& log);

}  // namespace aquifer::control
