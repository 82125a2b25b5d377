// What connections ask for when discovery is on demand, and what becomes of them.
#include "node-proxy/demand.h"

#include <functional>
#include <map>

#include "tests/support/run_task.h"
#include "tests/unit/node/inbound_world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Hear;
using test::kServerIp;
using test::Peer;
using test::Say;
using test::World;

using Names = std::vector<std::string>;

const Ip kVip = Ip::V4(10, 96, 0, 9);

// A control plane that answers as the test says; by itself, that there is nothing.
struct Plane {
  explicit Plane(World& w)
      : world(w), demand([this](std::string name, StopToken) { return Answer(std::move(name)); }) {
    world.context.demand = &demand;
  }
  Task<Status> Answer(std::string name) {
    asked.push_back(name);
    const auto found = answers.find(name);
    co_return found == answers.end() ? Status() : found->second();
  }
  // Under `name` there is a service whose waypoint is at the endpoints of web.example.
  void HasServiceBehindUs(const std::string& name) {
    answers[name] = [this] {
      mesh::Service service = mesh::ServiceAt("guarded.example", "10.96.0.9");
      service.waypoint =
          mesh::GatewayAddress{mesh::NamespacedHostname{"default", "web.example"}, 15008};
      world.builder.Put(service);
      world.Publish();
      return Status();
    };
  }

  World& world;
  Demand demand;
  std::map<std::string, std::function<Status()>> answers;
  Names asked;
};

Task<void> RefusesTheUnreadable() {
  World world;
  Plane plane(world);
  plane.answers["/10.96.0.9"] = [] { return Status(Error{Reason::kUnreadableResource}); };
  const mesh::Workload client = mesh::Pod("client", "127.0.0.1");
  const Status known = co_await KnowTheWay(world.context, client, {kVip, 80}, StopToken());
  REQUIRE_FALSE(known.ok());
  CHECK(known.error().reason == Reason::kUnreadableResource);
  CHECK(plane.asked == Names{"/10.96.0.9"});
  co_await plane.demand.Shutdown();
  co_await world.End();
}

TEST_CASE("a connection to what cannot be read goes nowhere") {
  aquifer::test::Run(RefusesTheUnreadable());
}

Task<void> DecidesByWhatStandsIn() {
  World world;
  Plane plane(world);
  plane.answers["/10.96.0.9"] = [&world] {
    world.builder.Put(mesh::Pod("closed", "10.96.0.9"));
    world.Publish();
    return Status(Error{Reason::kUnreadableResource});
  };
  const mesh::Workload client = mesh::Pod("client", "127.0.0.1");
  const Status known = co_await KnowTheWay(world.context, client, {kVip, 80}, StopToken());
  CHECK(known.ok());
  co_await plane.demand.Shutdown();
  co_await world.End();
}

TEST_CASE("what stands in for a thing that cannot be read decides about connections to it") {
  aquifer::test::Run(DecidesByWhatStandsIn());
}

Task<void> AsksBeforeItJudges() {
  World world;
  Peer peer(world);
  Plane plane(world);
  plane.HasServiceBehindUs("/10.96.0.9");
  const std::uint16_t port = peer.application->local().port;
  auto tunnel = co_await peer.Open(Address{kVip, port});
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  co_await Say(*tunnel->stream, "ping");
  CHECK(co_await Hear(*application) == "ping");
  CHECK(plane.asked == Names{"/10.96.0.9"});
  tunnel->stream.reset();
  application.reset();
  co_await plane.demand.Shutdown();
  co_await peer.End();
}

TEST_CASE("whose waypoint a CONNECT takes a pod for is asked before it is judged") {
  aquifer::test::Run(AsksBeforeItJudges());
}

Task<void> RefusesWhatIsNobodys() {
  World world;
  Peer peer(world);
  Plane plane(world);
  const auto nobodys = co_await peer.Open(Address{kVip, 80});
  REQUIRE_FALSE(nobodys.ok());
  CHECK(nobodys.error().status == 400);
  plane.answers["/10.96.0.9"] = [] { return Status(Error{Reason::kTimeout}); };
  const auto unknown = co_await peer.Open(Address{kVip, 80});
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().status == 503);
  co_await plane.demand.Shutdown();
  co_await peer.End();
}

TEST_CASE(
    "a CONNECT for what is nobody's is refused, and so is one that nothing can be learnt of") {
  aquifer::test::Run(RefusesWhatIsNobodys());
}

Task<void> AsksForItsOwnPod() {
  World world;
  Plane plane(world);
  plane.answers["Kubernetes//Pod/default/late"] = [&world] {
    world.builder.Put(mesh::Pod("late", "127.0.0.7"));
    world.Publish();
    return Status();
  };
  const std::shared_ptr<PodEndpoint> pod = world.Endpoint("late", "default");
  const Result<mesh::WorkloadRef> own = co_await pod->Workload(StopToken());
  REQUIRE(own.ok());
  CHECK((*own)->name == "late");
  co_await plane.demand.Shutdown();
  co_await world.End();
}

TEST_CASE("a captured pod that the control plane does not tell of is asked for") {
  aquifer::test::Run(AsksForItsOwnPod());
}

Task<void> AsksForNothing() {
  World world;
  Peer peer(world);
  Plane plane(world);
  auto tunnel = co_await peer.Open(Address{kServerIp, peer.application->local().port});
  REQUIRE(tunnel.ok());
  io::SocketPtr application = co_await AcceptOne(*peer.application);
  CHECK(plane.asked.empty());
  tunnel->stream.reset();
  application.reset();
  co_await plane.demand.Shutdown();
  co_await peer.End();
}

TEST_CASE("a CONNECT to a pod's own address needs no question") {
  aquifer::test::Run(AsksForNothing());
}

}  // namespace
}  // namespace aquifer::node
