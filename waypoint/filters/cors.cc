#include "waypoint/filters/cors.h"

#include <algorithm>

namespace aquifer::waypoint {
namespace {

constexpr std::string_view kAllowOrigin = "access-control-allow-origin";
constexpr std::string_view kAllowCredentials = "access-control-allow-credentials";

struct Origin {
  std::string_view scheme;
  std::string_view host;
  std::string_view port;  // never empty for http and https
};

std::optional<Origin> ParseOrigin(std::string_view text) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos) return std::nullopt;
  Origin origin{.scheme = text.substr(0, end), .host = HostOf(text.substr(end + 3)), .port = {}};
  const std::string_view authority = text.substr(end + 3);
  if (authority.size() > origin.host.size()) origin.port = authority.substr(origin.host.size() + 1);
  if (origin.port.empty() && origin.scheme == "http") origin.port = "80";
  if (origin.port.empty() && origin.scheme == "https") origin.port = "443";
  return origin;
}

// A leading star covers any number of labels: "*.bar.com", or every host.
bool HostCovers(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with('*')) return http::EqualsIgnoreCase(pattern, host);
  pattern.remove_prefix(1);
  return host.size() > pattern.size() &&
         http::EqualsIgnoreCase(pattern, host.substr(host.size() - pattern.size()));
}

bool OriginCovers(std::string_view pattern, std::string_view text) {
  if (pattern == "*" || pattern == text) return true;
  const std::optional<Origin> wanted = ParseOrigin(pattern);
  const std::optional<Origin> origin = ParseOrigin(text);
  return wanted && origin && http::EqualsIgnoreCase(wanted->scheme, origin->scheme) &&
         wanted->port == origin->port && HostCovers(wanted->host, origin->host);
}

bool HasStar(const std::vector<std::string>& list) {
  return std::find(list.begin(), list.end(), "*") != list.end();
}

std::string Join(const std::vector<std::string>& list) {
  std::string joined;
  for (const std::string& item : list) {
    if (!joined.empty()) joined += ", ";
    joined += item;
  }
  return joined;
}

// The list itself, or what was asked for where the list says everything: a star would not count in
// a request with credentials.
void AddList(const std::vector<std::string>& list, std::string_view name,
             std::optional<std::string_view> asked, http::HeaderList& out) {
  if (HasStar(list)) {
    if (asked) (void)out.Set(name, *asked);
  } else if (!list.empty()) {
    (void)out.Set(name, Join(list));
  }
}

// One origin's answer must not be served to another from a cache.
bool SetOrigin(const Cors& cors, std::string_view origin, http::HeaderList& out) {
  if (HasStar(cors.allow_origins) && !cors.allow_credentials) return out.Set(kAllowOrigin, "*");
  if (!out.Set(kAllowOrigin, origin)) return false;
  if (!out.HasToken("vary", "origin") && !out.Add("vary", "origin")) return false;
  return !cors.allow_credentials || out.Set(kAllowCredentials, "true");
}

}  // namespace

bool IsPreflight(const RequestView& request) {
  return request.method == "OPTIONS" && request.headers->Has("origin") &&
         request.headers->Has("access-control-request-method");
}

bool AllowsOrigin(const Cors& cors, std::string_view origin) {
  return std::any_of(cors.allow_origins.begin(), cors.allow_origins.end(),
                     [&](const std::string& pattern) { return OriginCovers(pattern, origin); });
}

http::HeaderList PreflightFields(const Cors& cors, const RequestView& request) {
  http::HeaderList fields;
  const std::optional<std::string_view> origin = request.headers->Get("origin");
  if (!origin || !AllowsOrigin(cors, *origin) || !SetOrigin(cors, *origin, fields)) return {};
  AddList(cors.allow_methods, "access-control-allow-methods",
          request.headers->Get("access-control-request-method"), fields);
  const std::optional<std::string> asked =
      request.headers->GetJoined("access-control-request-headers");
  AddList(cors.allow_headers, "access-control-allow-headers", asked, fields);
  (void)fields.Set("access-control-max-age", std::to_string(cors.max_age_seconds));
  return fields;
}

bool MarkResponse(const Cors& cors, std::string_view origin, http::HeaderList& headers) {
  headers.Remove(kAllowOrigin);
  headers.Remove(kAllowCredentials);
  if (!AllowsOrigin(cors, origin)) return true;
  if (!SetOrigin(cors, origin, headers)) return false;
  if (cors.expose_headers.empty()) return true;
  return headers.Set("access-control-expose-headers", Join(cors.expose_headers));
}

}  // namespace aquifer::waypoint
