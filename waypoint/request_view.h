// A request as policies and routes see it: normalized, without an owner. The views are good as long
// as the head they were taken from. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "waypoint/path.h"

namespace aquifer::waypoint {

struct RequestView {
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;  // with the port if one was sent
  std::string_view target;     // path and query
  std::string_view path;       // without query
  std::string_view query;
  const http::HeaderList* headers;  // never null
};

// `head.path` has been normalized (waypoint/path.h).
inline RequestView ViewOf(const http::RequestHead& head) {
  const SplitTarget split = Split(head.path);
  return {.method = head.method,
          .scheme = head.scheme,
          .authority = head.authority,
          .target = head.path,
          .path = split.path,
          .query = split.query,
          .headers = &head.headers};
}

// The host of an authority without its port: "a.com:80" -> "a.com", "[::1]:80" -> "[::1]".
inline std::string_view HostOf(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return authority;
  const size_t bracket = authority.rfind(']');
  if (bracket != std::string_view::npos && bracket > colon) return authority;
  return authority.substr(0, colon);
}

// What HTTP/2 carries as a pseudo header, and "host" for ":authority"; empty for all other names.
inline std::optional<std::string_view> PseudoHeader(const RequestView& request,
                                                    std::string_view name) {
  if (name == ":authority" || name == "host") return request.authority;
  if (name == ":method") return request.method;
  if (name == ":path") return request.target;
  if (name == ":scheme") return request.scheme;
  return std::nullopt;
}

}  // namespace aquifer::waypoint
