// Our own resource types from discovery to Rules: what each response changed becomes visible as
// one. A policy that cannot be understood goes in as one that denies; a route or Gateway that
// cannot be keeps its last good version, and a route without one answers 500, or resets what it
// takes. Belongs to the control loop: one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mesh/xds_state.h"
#include "waypoint/rules.h"

namespace aquifer::waypoint {

inline constexpr std::string_view kGatewayType = "type.googleapis.com/aquifer.mesh.v1.Gateway";
inline constexpr std::string_view kHttpRouteType = "type.googleapis.com/aquifer.mesh.v1.HttpRoute";
inline constexpr std::string_view kL4RouteType = "type.googleapis.com/aquifer.mesh.v1.L4Route";
inline constexpr std::string_view kPolicyType =
    "type.googleapis.com/aquifer.mesh.v1.AuthorizationPolicy";

class RulesSink final : public mesh::XdsSink {
 public:
  using Publish = std::function<void(RulesRef)>;

  // `own` is the Gateway we serve; others are left aside. `publish` is called once its Gateway is
  // known, and then for each change.
  RulesSink(ObjectName own, Publish publish) : own_(std::move(own)), publish_(std::move(publish)) {}

  Result<void, Refusal> OnResource(std::string_view type_url, std::string_view name,
                                   std::string_view message) override;
  void OnRemoved(std::string_view type_url, const std::string& name) override;
  void CommitResponse() override;

  bool has_gateway() const { return gateway_ != nullptr; }

 private:
  Result<void, Refusal> OnGateway(std::string_view bytes);
  Result<void, Refusal> OnRoute(const std::string& name, std::string_view bytes);
  Result<void, Refusal> OnL4Route(const std::string& name, std::string_view bytes);
  Result<void, Refusal> OnPolicy(const std::string& name, std::string_view bytes);

  const ObjectName own_;
  const Publish publish_;
  std::shared_ptr<const Gateway> gateway_;
  std::map<std::string, RoutePtr> routes_;
  std::map<std::string, L4RoutePtr> l4_routes_;
  std::map<std::string, PolicyPtr> policies_;
  bool changed_ = false;
};

}  // namespace aquifer::waypoint
