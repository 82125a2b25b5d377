#include "waypoint/rules_sink.h"

#include "mesh/proto/waypoint.pb.h"
#include "waypoint/decode_gateway.h"
#include "waypoint/decode_l4_route.h"
#include "waypoint/decode_policy.h"
#include "waypoint/decode_route.h"

namespace aquifer::waypoint {
namespace {

template <class Message>
bool ParseBytes(std::string_view bytes, Message& out) {
  return out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

constexpr const char* kNoMessage = "is not a message of its type";

}  // namespace

Result<void, Refusal> RulesSink::OnResource(std::string_view type_url, std::string_view name,
                                            std::string_view message) {
  if (type_url == kGatewayType) return OnGateway(message);
  if (type_url == kHttpRouteType) return OnRoute(std::string(name), message);
  if (type_url == kL4RouteType) return OnL4Route(std::string(name), message);
  if (type_url == kPolicyType) return OnPolicy(std::string(name), message);
  return {};
}

Result<void, Refusal> RulesSink::OnGateway(std::string_view bytes) {
  mesh::v1::Gateway message;
  if (!ParseBytes(bytes, message)) return Refusal{"", kNoMessage};
  AQ_TRY(Gateway gateway, DecodeGateway(message));
  if (gateway.name != own_) return {};
  gateway_ = std::make_shared<const Gateway>(std::move(gateway));
  changed_ = true;
  return {};
}

Result<void, Refusal> RulesSink::OnRoute(const std::string& name, std::string_view bytes) {
  mesh::v1::HttpRoute message;
  Decoded<HttpRoute> route = Refusal{"", kNoMessage};
  if (ParseBytes(bytes, message)) route = DecodeHttpRoute(message);
  if (route.ok()) {
    routes_[name] = std::make_shared<const HttpRoute>(*std::move(route));
    changed_ = true;
    return {};
  }
  const Refusal& refusal = route.error();
  const auto held = routes_.find(name);
  if (held != routes_.end() && held->second->refused.empty()) return refusal;
  routes_[name] = std::make_shared<const HttpRoute>(RefusedRoute(message, name, refusal));
  changed_ = true;
  return Refusal{refusal.field, refusal.why + "; its parents answer 500 until it is mended"};
}

Result<void, Refusal> RulesSink::OnL4Route(const std::string& name, std::string_view bytes) {
  mesh::v1::L4Route message;
  Decoded<L4Route> route = Refusal{"", kNoMessage};
  if (ParseBytes(bytes, message)) route = DecodeL4Route(message);
  if (route.ok()) {
    l4_routes_[name] = std::make_shared<const L4Route>(*std::move(route));
    changed_ = true;
    return {};
  }
  const Refusal& refusal = route.error();
  const auto held = l4_routes_.find(name);
  if (held != l4_routes_.end() && held->second->refused.empty()) return refusal;
  l4_routes_[name] = std::make_shared<const L4Route>(RefusedL4Route(message, name, refusal));
  changed_ = true;
  return Refusal{refusal.field, refusal.why + "; what it takes is turned away until it is mended"};
}

Result<void, Refusal> RulesSink::OnPolicy(const std::string& name, std::string_view bytes) {
  mesh::v1::AuthorizationPolicy message;
  Policy policy =
      ParseBytes(bytes, message) ? DecodePolicy(message) : RefusedPolicy(name, kNoMessage);
  const std::string refused = policy.refused;
  policies_[name] = std::make_shared<const Policy>(std::move(policy));
  changed_ = true;
  if (refused.empty()) return {};
  return Refusal{"", refused + "; it denies everything at its targets until it is mended"};
}

void RulesSink::OnRemoved(std::string_view type_url, const std::string& name) {
  // Without its Gateway the proxy goes on with the last one: deletion also ends the process.
  if (type_url == kHttpRouteType) changed_ = routes_.erase(name) > 0 || changed_;
  if (type_url == kL4RouteType) changed_ = l4_routes_.erase(name) > 0 || changed_;
  if (type_url == kPolicyType) changed_ = policies_.erase(name) > 0 || changed_;
}

void RulesSink::CommitResponse() {
  if (!changed_ || gateway_ == nullptr) return;
  changed_ = false;
  auto rules = std::make_shared<Rules>();
  rules->gateway = *gateway_;
  for (const auto& [name, route] : routes_) rules->all_routes.push_back(route);
  for (const auto& [name, route] : l4_routes_) rules->all_l4_routes.push_back(route);
  for (const auto& [name, policy] : policies_) rules->all_policies.push_back(policy);
  rules->policies = PolicyIndex(*gateway_, rules->all_policies);
  rules->routes = RouteIndex(*gateway_, rules->all_routes);
  rules->l4_routes = L4Index(*gateway_, rules->all_l4_routes);
  publish_(std::move(rules));
}

}  // namespace aquifer::waypoint
