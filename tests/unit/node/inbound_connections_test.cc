#include "node-proxy/inbound_connections.h"

#include "mesh/builder.h"
#include "tests/support/catch.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::node {
namespace {

const mesh::LocalName kServer{.ns = "default", .name = "server", .service_account = "default"};
const Address kTarget{Ip::V4(10, 0, 0, 2), 80};

mesh::Policy Deny(const std::string& account) {
  mesh::Policy policy = mesh::PolicyFor("deny-" + account, mesh::PolicyScope::kNamespace);
  policy.action = mesh::PolicyAction::kDeny;
  mesh::PolicyMatch match;
  match.principals.any = {{.value = "cluster.local/ns/default/sa/" + account}};
  policy.rules = {{{match}}};
  return policy;
}

struct Fixture {
  Fixture() { builder.Put(mesh::Pod("server", "10.0.0.2")); }
  InboundConnections::Entry Connect(const std::string& account) {
    return InboundConnections::Entry(connections, kServer,
                                     certs::Identity{"cluster.local", "default", account},
                                     Ip::V4(10, 0, 0, 1), StopToken());
  }
  mesh::Builder builder{mesh::BuilderOptions{}};
  InboundConnections connections;
};

TEST_CASE("a policy applied later ends the connections that it denies and no others") {
  Fixture f;
  InboundConnections::Entry good = f.Connect("good");
  InboundConnections::Entry bad = f.Connect("bad");
  for (InboundConnections::Entry* entry : {&good, &bad}) {
    entry->SetTarget(kTarget);
    CHECK(entry->Judge(*f.builder.Build()).allowed());
  }
  f.builder.Put(Deny("bad"));
  f.connections.Reconsider(*f.builder.Build());
  CHECK_FALSE(good.token().requested());
  REQUIRE(bad.token().requested());
  CHECK(bad.token().reason() == Reason::kPolicyChanged);
}

TEST_CASE("a policy attached later counts as one applied later") {
  Fixture f;
  mesh::Policy policy = Deny("bad");
  policy.scope = mesh::PolicyScope::kWorkloadSelector;
  f.builder.Put(policy);
  InboundConnections::Entry bad = f.Connect("bad");
  bad.SetTarget(kTarget);
  CHECK(bad.Judge(*f.builder.Build()).allowed());
  mesh::Workload selected = mesh::Pod("server", "10.0.0.2");
  selected.authorization_policies = {policy.key()};
  f.builder.Put(selected);
  f.connections.Reconsider(*f.builder.Build());
  CHECK(bad.token().requested());
}

TEST_CASE("a connection that is not judged yet is left to its first judgement") {
  Fixture f;
  InboundConnections::Entry early = f.Connect("bad");
  f.builder.Put(Deny("bad"));
  f.connections.Reconsider(*f.builder.Build());
  CHECK_FALSE(early.token().requested());
  early.SetTarget(kTarget);
  CHECK_FALSE(early.Judge(*f.builder.Build()).allowed());
}

TEST_CASE("a workload that the mesh no longer knows is closed to everybody") {
  Fixture f;
  InboundConnections::Entry entry = f.Connect("good");
  entry.SetTarget(kTarget);
  CHECK(entry.Judge(*f.builder.Build()).allowed());
  f.builder.RemoveAddress("Kubernetes//Pod/default/server");
  f.connections.Reconsider(*f.builder.Build());
  CHECK(entry.token().requested());
}

TEST_CASE("a connection that is over is reconsidered no more") {
  Fixture f;
  {
    InboundConnections::Entry bad = f.Connect("bad");
    bad.SetTarget(kTarget);
    CHECK(bad.Judge(*f.builder.Build()).allowed());
  }
  f.builder.Put(Deny("bad"));
  f.connections.Reconsider(*f.builder.Build());
  SUCCEED();
}

}  // namespace
}  // namespace aquifer::node
