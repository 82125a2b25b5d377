// Policies and requests in short form for tests: rules as protobuf text, requests by their fields.
#pragma once

#include <google/protobuf/text_format.h>

#include <memory>
#include <string>
#include <vector>

#include "mesh/proto/waypoint.pb.h"
#include "tests/support/catch.h"
#include "waypoint/authz.h"
#include "waypoint/decode_policy.h"

namespace aquifer::waypoint::test {

using mesh::v1::AuthorizationPolicy;
using mesh::v1::AuthorizationRule;

template <class Message>
Message Parse(const std::string& text) {
  Message message;
  REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

inline AuthorizationRule RuleOf(const std::string& text) { return Parse<AuthorizationRule>(text); }

inline AuthorizationPolicy PolicyOf(mesh::v1::AuthorizationAction action,
                                    const std::vector<AuthorizationRule>& rules) {
  AuthorizationPolicy policy;
  policy.set_namespace_("app");
  policy.set_name("policy");
  policy.set_action(action);
  auto* target = policy.add_target_refs();
  target->set_kind(mesh::v1::POLICY_TARGET_KIND_GATEWAY);
  target->set_namespace_("app");
  target->set_name("waypoint");
  for (const AuthorizationRule& rule : rules) *policy.add_rules() = rule;
  return policy;
}
inline AuthorizationPolicy Allow(const std::vector<AuthorizationRule>& rules) {
  return PolicyOf(mesh::v1::AUTHORIZATION_ACTION_ALLOW, rules);
}
inline AuthorizationPolicy Deny(const std::vector<AuthorizationRule>& rules) {
  return PolicyOf(mesh::v1::AUTHORIZATION_ACTION_DENY, rules);
}

inline Gateway TestGateway() {
  Gateway gateway;
  gateway.name = {"app", "waypoint"};
  gateway.class_name = "istio-waypoint";
  gateway.is_waypoint = true;
  return gateway;
}

// Named policy-0, policy-1 and so on.
inline PolicyIndex IndexOf(const std::vector<AuthorizationPolicy>& messages) {
  std::vector<PolicyPtr> policies;
  for (const AuthorizationPolicy& message : messages) {
    Policy policy = DecodePolicy(message);
    INFO(policy.refused);
    REQUIRE(policy.refused.empty());
    policy.name.name += "-" + std::to_string(policies.size());
    policies.push_back(std::make_shared<const Policy>(std::move(policy)));
  }
  return PolicyIndex(TestGateway(), std::move(policies));
}

// What a finished request owns so that its views stay good.
struct Input {
  http::RequestHead head;
  std::string compared;
  RequestView view;
  std::optional<certs::Identity> peer;
  MeshSettings mesh;
  AuthzInput authz;
};

class Request {
 public:
  Request() {
    head_.method = "GET";
    head_.scheme = "http";
    head_.authority = "app.example.com";
    head_.path = "/";
    Peer("cluster.local/ns/client/sa/curl");
  }
  Request& Method(const std::string& method) { return head_.method = method, *this; }
  Request& Path(const std::string& path) { return head_.path = path, *this; }
  Request& Host(const std::string& host) { return head_.authority = host, *this; }
  Request& Header(const std::string& name, const std::string& value) {
    REQUIRE(head_.headers.Add(name, value));
    return *this;
  }
  Request& Peer(const std::string& principal) {
    peer_.reset();
    if (principal.empty()) return *this;
    Decoded<certs::Identity> identity = certs::Identity::Parse("spiffe://" + principal);
    REQUIRE(identity.ok());
    peer_ = *std::move(identity);
    return *this;
  }
  Request& Mesh(const MeshSettings& mesh) { return mesh_ = mesh, *this; }
  Request& Tcp() { return tcp_ = true, *this; }
  Request& Set(const std::string& field, const std::string& value) {
    if (field == "peer") return Peer(value);
    if (field == "host") return Host(value);
    if (field == "method") return Method(value);
    if (field == "path") return Path(value);
    if (field == "ip") return source_ = *Ip::Parse(value), *this;
    if (field == "remote") return remote_ = *Ip::Parse(value), *this;
    if (field == "destination") return destination_.ip = *Ip::Parse(value), *this;
    REQUIRE(field == "port");
    return destination_.port = *ParsePort(value), *this;
  }

  // Normalized as the proxy does before it asks.
  std::unique_ptr<Input> Finish() const {
    auto input = std::make_unique<Input>();
    input->head = head_;
    const auto path = NormalizeTarget(head_.path, mesh_.path_normalization);
    REQUIRE(path.has_value());
    input->head.path = *path;
    input->view = ViewOf(input->head, input->compared);
    input->peer = peer_;
    input->mesh = mesh_;
    input->authz = {.request = tcp_ ? nullptr : &input->view,
                    .peer = input->peer ? &*input->peer : nullptr,
                    .source_ip = source_,
                    .remote_ip = remote_,
                    .destination = destination_,
                    .mesh = &input->mesh};
    return input;
  }

 private:
  http::RequestHead head_;
  std::optional<certs::Identity> peer_;
  MeshSettings mesh_;
  bool tcp_ = false;
  Ip source_ = Ip::V4(10, 0, 0, 9);
  Ip remote_ = Ip::V4(10, 0, 0, 9);
  Address destination_{Ip::V4(10, 96, 0, 5), 80};
};

inline bool Allowed(const std::vector<AuthorizationPolicy>& policies, const Request& request) {
  const PolicyIndex index = IndexOf(policies);
  const std::unique_ptr<Input> input = request.Finish();
  return Authorize(index.ForGateway(), input->authz).allowed;
}

}  // namespace aquifer::waypoint::test
