// Endpoints that cannot be reached, and those that have only a host name. Addresses as in world.h;
// 127.0.0.5 is an endpoint where nobody listens.
#include "tests/support/run_task.h"
#include "tests/unit/node/outbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Hear;
using test::kServerIp;
using test::Say;
using test::World;

struct Client : test::Captured {
  explicit Client(World& w) : Captured(w) {
    world.Populate(outbound->local().port, application->local().port);
    world.builder.RemoveAddress(World::Server(1, 1).uid);
    world.Publish();
  }
  // An endpoint of the service that is no part of the mesh. The world's "random" number is 0: the
  // one whose uid is first is chosen first.
  mesh::Workload Endpoint(std::string name, std::string_view ip) const {
    mesh::Workload endpoint = mesh::Joins(mesh::Pod(std::move(name), ip), "web.example",
                                          {{outbound->local().port, application->local().port}});
    endpoint.protocol = mesh::TunnelProtocol::kNone;
    return endpoint;
  }
  void Put(const mesh::Workload& workload) {
    world.builder.Put(workload);
    world.Publish();
  }
  Task<void> Reaches(std::string line) {
    co_await Connect();
    const io::SocketPtr server = co_await AcceptOne(*application);
    co_await Say(*client, "ping");
    CHECK(co_await Hear(*server) == "ping");
    client.reset();
    world.stop.RequestStop(Reason::kDrained);
    co_await serving.Join();
    CHECK(world.lines.With({"connection complete", std::move(line)}).size() == 1);
  }
};

Task<void> TriesAnother() {
  World world;
  Client client(world);
  client.Put(client.Endpoint("a-dead", "127.0.0.5"));
  client.Put(client.Endpoint("b-live", "127.0.0.2"));
  co_await client.Reaches("dst.workload=\"b-live\"");
  CHECK(world.registry.Text().find("a-dead") == std::string::npos);
  co_await client.End();
}

TEST_CASE("an endpoint that refuses the connection is replaced by another") {
  aquifer::test::Run(TriesAnother());
}

// A proxy that nobody can reach is no reason to go without one.
Task<void> KeepsTheTunnel() {
  World world;
  Client client(world);
  mesh::Workload dead = client.Endpoint("a-dead", "127.0.0.5");
  dead.protocol = mesh::TunnelProtocol::kHbone;
  client.Put(dead);
  client.Put(client.Endpoint("b-plain", "127.0.0.2"));
  co_await client.IsReset({"connection complete", "dst.workload=\"a-dead\""});
  co_await client.End();
}

TEST_CASE("an endpoint of the mesh is not replaced by one outside of it") {
  aquifer::test::Run(KeepsTheTunnel());
}

Task<void> TriesOnce() {
  World world;
  Client client(world);
  client.Put(client.Endpoint("a-dead", "127.0.0.5"));
  client.Put(client.Endpoint("b-dead", "127.0.0.6"));
  client.Put(client.Endpoint("c-live", "127.0.0.2"));
  co_await client.IsReset({"connection complete", "dst.workload=\"b-dead\""});
  CHECK(world.Closed("CONNECT") == 1);
  co_await client.End();
}

TEST_CASE("no more than one other endpoint is tried") { aquifer::test::Run(TriesOnce()); }

Task<void> NoOther() {
  World world;
  Client client(world);
  client.Put(client.Endpoint("only", "127.0.0.5"));
  co_await client.IsReset({"connection complete", "dst.workload=\"only\""});
  co_await client.End();
}

TEST_CASE("where there is no other endpoint the first one's failure stands") {
  aquifer::test::Run(NoOther());
}

mesh::Workload Named(const Client& client, std::string hostname) {
  mesh::Workload named = client.Endpoint("named", "127.0.0.9");
  named.addresses.clear();
  named.hostname = std::move(hostname);
  return named;
}

Task<void> ByName() {
  World world;
  Client client(world);
  client.Put(Named(client, "app.example.com"));
  world.names["app.example.com"] = {Ip::Loopback6(), kServerIp};
  co_await client.Reaches("dst.addr=127.0.0.2:");
  CHECK(world.registry.Text().find(
            "source_cluster=\"Kubernetes\",hostname=\"app.example.com\"} 1") != std::string::npos);
  co_await client.End();
}

TEST_CASE("an endpoint with a host name is looked up, and the client's family goes first") {
  aquifer::test::Run(ByName());
}

Task<void> NameUnknown() {
  World world;
  Client client(world);
  client.Put(Named(client, "gone.example.com"));
  co_await client.IsReset({"connection complete", "not found"});
  co_await client.End();
}

TEST_CASE("an endpoint whose host name leads nowhere is not reached") {
  aquifer::test::Run(NameUnknown());
}

Task<void> NameOfOurselves() {
  World world;
  Client client(world);
  client.Put(Named(client, "loop.example.com"));
  world.names["loop.example.com"] = {kServerIp};
  world.context.classify.illegal_ports = {client.application->local().port};
  co_await client.IsReset({"connection complete", "come back to the proxy itself"});
  co_await client.End();
}

TEST_CASE("a host name that leads back to the proxy is not followed") {
  aquifer::test::Run(NameOfOurselves());
}

}  // namespace
}  // namespace aquifer::node
