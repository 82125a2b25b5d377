#include "waypoint/filters/redirect.h"

#include "waypoint/filters/rewrite.h"
#include "waypoint/path.h"

namespace aquifer::waypoint {
namespace {

std::uint16_t WellKnownPort(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

std::uint16_t RedirectPort(const RequestRedirect& redirect, std::uint16_t listener_port) {
  if (redirect.port != 0) return redirect.port;
  return redirect.scheme.empty() ? listener_port : WellKnownPort(redirect.scheme);
}

}  // namespace

std::string RedirectLocation(const RequestRedirect& redirect, const PathMatch& match,
                             const RequestView& request, std::uint16_t listener_port) {
  std::string_view scheme = redirect.scheme;
  if (scheme.empty()) scheme = request.scheme == "https" ? "https" : "http";
  const std::uint16_t port = RedirectPort(redirect, listener_port);

  std::string location(scheme);
  location += "://";
  location += redirect.hostname.empty() ? HostOf(request.authority) : redirect.hostname;
  if (port != WellKnownPort(scheme)) location += ":" + std::to_string(port);
  const SplitTarget split = Split(request.target);
  location += ModifyPath(redirect.path, match, split.path);
  if (split.has_query) {
    location += '?';
    location += split.query;
  }
  return location;
}

}  // namespace aquifer::waypoint
