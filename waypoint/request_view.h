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
  std::string_view authority;       // with the port if one was sent
  std::string_view target;          // path and query, as they go on
  std::string_view compared;        // the same in the spelling that rules compare
  std::string_view path;            // of that, without query
  std::string_view query;           // as it goes on
  const http::HeaderList* headers;  // never null
};

// `head.path` has been normalized (waypoint/path.h). `storage` lives as long as the view.
inline RequestView ViewOf(const http::RequestHead& head, std::string& storage) {
  std::string_view compared = head.path;
  if (head.path.find('%') != std::string::npos) {
    storage = UpperCaseEscapes(head.path);
    compared = storage;
  }
  return {.method = head.method,
          .scheme = head.scheme,
          .authority = head.authority,
          .target = head.path,
          .compared = compared,
          .path = Split(compared).path,
          .query = Split(head.path).query,
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
  if (name == ":path") return request.compared;
  if (name == ":scheme") return request.scheme;
  return std::nullopt;
}

}  // namespace aquifer::waypoint
