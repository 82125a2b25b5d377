#include "waypoint/decode_route.h"

#include <algorithm>

#include "core/http/header.h"
#include "mesh/proto/waypoint.pb.h"
#include "waypoint/decode_filters.h"
#include "waypoint/field_check.h"
#include "waypoint/unknown_fields.h"

namespace aquifer::waypoint {
namespace {

constexpr int kMaxHostnames = 64;
// 32 references of a route, each perhaps to a ServiceEntry of 256 hosts.
constexpr int kMaxParents = 32 * 256;
constexpr int kMaxRules = 512;
constexpr int kMaxMatches = 128;
constexpr int kMaxValueMatches = 32;
constexpr int kMaxBackends = 64;
constexpr int kMaxRetryCodes = 64;
constexpr std::uint32_t kMaxRetries = 100;
constexpr std::uint32_t kMaxWeight = 1'000'000;  // the API's own bound
constexpr std::uint64_t kMaxTimeoutMs = 7ull * 24 * 3600 * 1000;

Decoded<PathMatch> DecodePathMatch(const mesh::v1::PathMatch& message, const std::string& field) {
  AQ_TRY_STATUS(CheckText(message.value(), field + ".value"));
  PathMatch path;
  path.value = UpperCaseEscapes(message.value());
  switch (message.type()) {
    case mesh::v1::MATCH_TYPE_EXACT:
      path.type = PathMatch::Type::kExact;
      break;
    case mesh::v1::MATCH_TYPE_PREFIX:
      path.type = PathMatch::Type::kPrefix;
      break;
    case mesh::v1::MATCH_TYPE_REGULAR_EXPRESSION: {
      path.type = PathMatch::Type::kRegex;
      path.value = message.value();
      AQ_TRY(path.regex, Regex::Compile(UpperCaseEscapesOfPattern(path.value), field + ".value"));
      return path;
    }
    default:
      return Refusal{field + ".type", "is none of exact, prefix, regular expression"};
  }
  if (!path.value.starts_with('/')) return Refusal{field + ".value", "does not start with '/'"};
  return path;
}

Decoded<ValueMatch> DecodeValueMatch(const mesh::v1::ValueMatch& message,
                                     const std::string& field) {
  AQ_TRY_STATUS(CheckText(message.value(), field + ".value"));
  ValueMatch match{.name = message.name(), .value = message.value(), .regex = {}};
  switch (message.type()) {
    case mesh::v1::MATCH_TYPE_EXACT:
      return match;
    case mesh::v1::MATCH_TYPE_REGULAR_EXPRESSION: {
      AQ_TRY(match.regex, Regex::Compile(match.value, field + ".value"));
      return match;
    }
    default:
      return Refusal{field + ".type", "is neither exact nor regular expression"};
  }
}

// The pseudo headers are what HTTP/2 calls method, authority and path.
bool IsPseudoHeader(std::string_view name) {
  return name == ":method" || name == ":authority" || name == ":path" || name == ":scheme";
}

void CompareAsPath(mesh::v1::ValueMatch& match) {
  const bool pattern = match.type() == mesh::v1::MATCH_TYPE_REGULAR_EXPRESSION;
  match.set_value(pattern ? UpperCaseEscapesOfPattern(match.value())
                          : UpperCaseEscapes(match.value()));
}

Check DecodeHeaderMatches(const mesh::v1::HttpRouteMatch& message, const std::string& field,
                          RouteMatch& out) {
  AQ_TRY_STATUS(CheckCount(message.headers_size(), kMaxValueMatches, field + ".headers"));
  for (int i = 0; i < message.headers_size(); ++i) {
    const std::string at = At(field + ".headers", i);
    mesh::v1::ValueMatch header = message.headers(i);
    header.set_name(LowerCase(header.name()));
    if (header.name() == ":path") CompareAsPath(header);
    AQ_TRY(ValueMatch match, DecodeValueMatch(header, at));
    if (!IsPseudoHeader(match.name)) {
      AQ_TRY_STATUS(CheckHeaderName(match.name, at + ".name"));
    }
    // Of several entries with one name the first counts (HTTPRouteMatch.headers).
    bool known = false;
    for (const ValueMatch& earlier : out.headers) known = known || earlier.name == match.name;
    if (!known) out.headers.push_back(std::move(match));
  }
  return {};
}

Check DecodeQueryMatches(const mesh::v1::HttpRouteMatch& message, const std::string& field,
                         RouteMatch& out) {
  AQ_TRY_STATUS(CheckCount(message.query_params_size(), kMaxValueMatches, field + ".query_params"));
  for (int i = 0; i < message.query_params_size(); ++i) {
    const std::string at = At(field + ".query_params", i);
    AQ_TRY(ValueMatch match, DecodeValueMatch(message.query_params(i), at));
    if (match.name.empty()) return Refusal{at + ".name", "is empty"};
    AQ_TRY_STATUS(CheckText(match.name, at + ".name"));
    bool known = false;
    for (const ValueMatch& earlier : out.query_params) known = known || earlier.name == match.name;
    if (!known) out.query_params.push_back(std::move(match));
  }
  return {};
}

Decoded<RouteMatch> DecodeMatch(const mesh::v1::HttpRouteMatch& message, const std::string& field) {
  if (HasUnknownFields(message))
    return Refusal{field, "has fields that this version does not know"};
  RouteMatch match;
  if (message.has_path()) {
    AQ_TRY(match.path, DecodePathMatch(message.path(), field + ".path"));
  }
  AQ_TRY_STATUS(DecodeHeaderMatches(message, field, match));
  AQ_TRY_STATUS(DecodeQueryMatches(message, field, match));
  match.method = message.method();
  if (!match.method.empty() && !http::IsToken(match.method)) {
    return Refusal{field + ".method", "is not a method"};
  }
  return match;
}

Backend DecodeBackend(const mesh::v1::HttpBackend& message, const std::string& field) {
  Backend backend;
  backend.weight = std::min(message.weight(), kMaxWeight);
  backend.invalid = message.invalid().substr(0, 256);
  backend.filters = DecodeFilters(message.filters(), FilterPlace::kBackend, field + ".filters");
  Decoded<ServiceRef> service =
      DecodeServiceRef(message.service(), PortRequired::kYes, field + ".service");
  if (service.ok()) {
    backend.service = *std::move(service);
  } else if (backend.invalid.empty()) {
    backend.invalid = service.error().ToString();
  }
  return backend;
}

std::chrono::milliseconds DecodeTimeout(std::uint64_t ms) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, kMaxTimeoutMs)));
}

Decoded<Retry> DecodeRetry(const mesh::v1::HttpRouteRetry& message, const std::string& field) {
  AQ_TRY_STATUS(CheckCount(message.codes_size(), kMaxRetryCodes, field + ".codes"));
  Retry retry;
  retry.attempts = std::min(message.attempts(), kMaxRetries);
  for (int i = 0; i < message.codes_size(); ++i) {
    if (message.codes(i) < 400 || message.codes(i) > 599) {
      return Refusal{At(field + ".codes", i), "is not an error status"};
    }
    retry.codes.push_back(static_cast<int>(message.codes(i)));
  }
  if (message.backoff_ms() != 0) retry.backoff = DecodeTimeout(message.backoff_ms());
  return retry;
}

bool HasPrefixReplacement(const Filters& filters) {
  const auto replaces = [](const PathModifier& path) {
    return path.type == PathModifier::Type::kReplacePrefixMatch;
  };
  return (filters.redirect && replaces(filters.redirect->path)) ||
         (filters.rewrite && replaces(filters.rewrite->path));
}

// A prefix can be replaced only where a prefix was matched (HTTPPathModifier).
void CheckPrefixReplacement(RouteRule& rule) {
  bool all_prefix = true;
  for (const RouteMatch& match : rule.matches) {
    all_prefix = all_prefix && match.path.type == PathMatch::Type::kPrefix;
  }
  if (all_prefix) return;
  constexpr const char* kWhy = "replaces a prefix, but a match of the rule has none";
  if (HasPrefixReplacement(rule.filters)) rule.filters.invalid = kWhy;
  for (Backend& backend : rule.backends) {
    if (HasPrefixReplacement(backend.filters)) backend.filters.invalid = kWhy;
  }
}

Decoded<RouteRule> DecodeRule(const mesh::v1::HttpRouteRule& message, const std::string& field) {
  AQ_TRY_STATUS(CheckText(message.name(), field + ".name"));
  AQ_TRY_STATUS(CheckCount(message.matches_size(), kMaxMatches, field + ".matches"));
  AQ_TRY_STATUS(CheckCount(message.backends_size(), kMaxBackends, field + ".backends"));
  RouteRule rule;
  rule.name = message.name();
  for (int i = 0; i < message.matches_size(); ++i) {
    AQ_TRY(RouteMatch match, DecodeMatch(message.matches(i), At(field + ".matches", i)));
    rule.matches.push_back(std::move(match));
  }
  if (rule.matches.empty()) rule.matches.emplace_back();
  rule.filters = DecodeFilters(message.filters(), FilterPlace::kRule, field + ".filters");
  for (int i = 0; i < message.backends_size(); ++i) {
    rule.backends.push_back(DecodeBackend(message.backends(i), At(field + ".backends", i)));
  }
  rule.request_timeout = DecodeTimeout(message.timeouts().request_ms());
  rule.backend_request_timeout = DecodeTimeout(message.timeouts().backend_request_ms());
  if (message.has_retry()) {
    AQ_TRY(rule.retry, DecodeRetry(message.retry(), field + ".retry"));
  }
  CheckPrefixReplacement(rule);
  return rule;
}

Check DecodeParent(const mesh::v1::RouteParent& message, const std::string& field, HttpRoute& out) {
  if (message.has_service()) {
    AQ_TRY(ServiceRef service,
           DecodeServiceRef(message.service(), PortRequired::kNo, field + ".service"));
    out.service_parents.push_back(std::move(service));
    return {};
  }
  if (!message.has_listener()) return Refusal{field, "neither a listener nor a service"};
  AQ_TRY(ListenerRef listener, DecodeListenerRef(message.listener(), field + ".listener"));
  out.listener_parents.push_back(std::move(listener));
  return {};
}

}  // namespace

Decoded<ListenerRef> DecodeListenerRef(const mesh::v1::GatewayListenerRef& message,
                                       const std::string& field) {
  AQ_TRY_STATUS(CheckName(message.namespace_(), field + ".namespace"));
  AQ_TRY_STATUS(CheckName(message.name(), field + ".name"));
  AQ_TRY_STATUS(CheckName(message.listener(), field + ".listener"));
  return ListenerRef{{message.namespace_(), message.name()}, message.listener()};
}

Decoded<HttpRoute> DecodeHttpRoute(const mesh::v1::HttpRoute& message) {
  AQ_TRY_STATUS(CheckName(message.namespace_(), "namespace"));
  AQ_TRY_STATUS(CheckName(message.name(), "name"));
  AQ_TRY_STATUS(CheckCount(message.hostnames_size(), kMaxHostnames, "hostnames"));
  AQ_TRY_STATUS(CheckCount(message.parents_size(), kMaxParents, "parents"));
  AQ_TRY_STATUS(CheckCount(message.rules_size(), kMaxRules, "rules"));
  HttpRoute route;
  route.name = {message.namespace_(), message.name()};
  route.creation_seconds = message.creation_seconds();
  for (int i = 0; i < message.hostnames_size(); ++i) {
    AQ_TRY_STATUS(CheckHostname(message.hostnames(i), At("hostnames", i)));
    route.hostnames.push_back(LowerCase(message.hostnames(i)));
  }
  for (int i = 0; i < message.parents_size(); ++i) {
    AQ_TRY_STATUS(DecodeParent(message.parents(i), At("parents", i), route));
  }
  for (int i = 0; i < message.rules_size(); ++i) {
    AQ_TRY(RouteRule rule, DecodeRule(message.rules(i), At("rules", i)));
    route.rules.push_back(std::move(rule));
  }
  return route;
}

HttpRoute RefusedRoute(const mesh::v1::HttpRoute& message, const std::string& resource_name,
                       const Refusal& refusal) {
  HttpRoute route;
  route.refused = refusal.ToString();
  const size_t slash = std::min(resource_name.find('/'), resource_name.size());
  route.name.ns = resource_name.substr(0, slash);
  route.name.name = resource_name.substr(std::min(slash + 1, resource_name.size()));
  if (CheckName(message.namespace_(), "").ok()) route.name.ns = message.namespace_();
  // All of them, however many: each costs less than the bytes that it came in.
  for (const mesh::v1::RouteParent& parent : message.parents()) {
    if (DecodeParent(parent, "", route).ok() || !parent.has_service()) continue;
    mesh::v1::RouteParent every_port = parent;
    every_port.mutable_service()->clear_port();
    (void)DecodeParent(every_port, "", route);
  }
  for (const std::string& hostname : message.hostnames()) {
    if (CheckHostname(hostname, "").ok()) route.hostnames.push_back(LowerCase(hostname));
  }
  // A listener answers 404 where no route is; it must not lose the hosts of others to this one.
  if (route.hostnames.empty() && message.hostnames_size() > 0) route.listener_parents.clear();
  RouteRule& rule = route.rules.emplace_back();
  rule.matches.emplace_back();
  rule.filters.invalid = route.refused;
  return route;
}

}  // namespace aquifer::waypoint
