#include "waypoint/router.h"

#include <utility>

#include "waypoint/filters/cors.h"
#include "waypoint/filters/header_modifier.h"
#include "waypoint/filters/redirect.h"
#include "waypoint/weighted.h"

namespace aquifer::waypoint {
namespace {

RouteAction Reply(const Matched& matched, LocalReply reply) {
  RouteAction action;
  action.matched = matched;
  action.reply = std::move(reply);
  return action;
}

LocalReply InvalidRoute(const std::string& why) {
  LocalReply reply = MakeReply(ReplyKind::kInvalidRoute);
  if (!why.empty()) reply.details = "invalid_route{" + why + "}";
  return reply;
}

LocalReply Redirect(const Matched& matched, const RequestView& request,
                    std::uint16_t listener_port) {
  const RequestRedirect& redirect = *matched.rule->filters.redirect;
  http::HeaderList fields;
  const std::string location =
      RedirectLocation(redirect, matched.match->path, request, listener_port);
  if (!fields.Add("location", location)) return InvalidRoute("location");
  return MakeReply(ReplyKind::kRedirect, redirect.status_code, std::move(fields));
}

// The answer that a filter of the rule gives by itself.
std::optional<LocalReply> ReplyOfFilters(const Matched& matched, const RequestView& request,
                                         std::uint16_t listener_port) {
  const Filters& filters = matched.rule->filters;
  if (!filters.invalid.empty()) return InvalidRoute(filters.invalid);
  std::optional<LocalReply> reply;
  if (filters.cors && IsPreflight(request)) {
    reply = MakeReply(ReplyKind::kPreflight, 0, PreflightFields(*filters.cors, request));
  } else if (filters.redirect) {
    reply = Redirect(matched, request, listener_port);
  }
  if (reply && !ModifyResponse(filters.response_headers, reply->fields)) {
    return InvalidRoute("response headers");
  }
  return reply;
}

}  // namespace

const Backend* PickBackend(const RouteRule& rule, std::uint64_t random) {
  return PickByWeight(rule.backends, random);
}

RouteAction PassThrough(const ServiceRef& service) {
  RouteAction action;
  action.destination = service;
  return action;
}

RouteAction Decide(const Matched& matched, const RequestView& request,
                   const ServiceRef* own_service, std::uint16_t listener_port,
                   std::uint64_t random) {
  if (matched.rule == nullptr) return Reply(matched, MakeReply(ReplyKind::kNoRoute));
  if (auto reply = ReplyOfFilters(matched, request, listener_port)) {
    return Reply(matched, *std::move(reply));
  }
  RouteAction action;
  action.matched = matched;
  if (matched.rule->backends.empty() && own_service != nullptr) {
    action.destination = *own_service;
    return action;
  }
  action.backend = PickBackend(*matched.rule, random);
  if (action.backend == nullptr) return Reply(matched, InvalidRoute("no backend"));
  if (!action.backend->invalid.empty())
    return Reply(matched, InvalidRoute(action.backend->invalid));
  if (!action.backend->filters.invalid.empty()) {
    return Reply(matched, InvalidRoute(action.backend->filters.invalid));
  }
  action.destination = action.backend->service;
  return action;
}

}  // namespace aquifer::waypoint
