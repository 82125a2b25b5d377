#include "node-proxy/session.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::World;

const Address kClient{Ip::V4(10, 0, 0, 1), 4321};
const Address kServer{Ip::V4(10, 0, 0, 2), 80};

template <class Act>
Task<void> InWorld(Act act) {
  World world;
  act(world);
  co_await world.End();
}

mesh::WorkloadRef Pod(const std::string& name) {
  return std::make_shared<const mesh::Workload>(mesh::Pod(name, "10.0.0.1"));
}

void EndsWell(World& world) {
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kOutbound, kClient,
                    kServer);
    session.SetSource(Pod("a"));
    session.Open();
    session.totals() = {.a_to_b_bytes = 11, .b_to_a_bytes = 22};
  }
  const auto lines = world.lines.With({"access"});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("\tinfo\taccess\tconnection complete\t") != std::string::npos);
  CHECK(lines[0].find("bytes_sent=11 bytes_recv=22") != std::string::npos);
  CHECK(lines[0].find("error") == std::string::npos);
  CHECK(world.Closed("-") == 1);
}

TEST_CASE("a connection that ended well is one line and one count") {
  aquifer::test::Run(InWorld(EndsWell));
}

void TellsOfOpening(World& world) {
  Result<obs::LevelFilter, Refusal> debug = obs::LevelFilter::Parse("access=debug");
  REQUIRE(debug.ok());
  world.lines.logger().SetLevels(*debug);
  Session session(world.context, world.refusal_lines, obs::Direction::kOutbound, kClient, kServer);
  session.Open();
  session.Open();
  const auto lines = world.lines.With({"\tdebug\taccess\tconnection opened\t"});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("bytes") == std::string::npos);
}

TEST_CASE("a connection's opening is a line at debug") {
  aquifer::test::Run(InWorld(TellsOfOpening));
}

void Fails(World& world) {
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.Fail(Error{Reason::kPolicyDenied}, "denied by p");
    CHECK(session.failed());
  }
  CHECK(world.lines.With({"\terror\taccess\tconnection complete\t", "error=\"denied by p\""})
            .size() == 1);
  CHECK(world.Closed("DENY") == 1);
}

TEST_CASE("a connection that failed says why in its line and its flag") {
  aquifer::test::Run(InWorld(Fails));
}

void RejectsEarly(World& world) {
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.SetSource(Pod("a"));
    session.RejectEarly(Error{Reason::kLoop});
  }
  const auto lines = world.lines.With({"\twarn\taccess\tconnection failed\t"});
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("src.workload") == std::string::npos);
  CHECK(world.registry.Text().find("connections_opened") == std::string::npos);
}

TEST_CASE("what was refused before it was clear what it was for is a warning and no series") {
  aquifer::test::Run(InWorld(RejectsEarly));
}

void RejectsMany(World& world) {
  std::chrono::system_clock::time_point now{};
  world.lines.clock = [&now] { return now; };
  obs::RateLimiter lines(3);
  const auto reject = [&world, &lines](int times) {
    for (int i = 0; i < times; ++i) {
      Session session(world.context, lines, obs::Direction::kInbound, kClient, kServer);
      session.RejectEarly(Error{Reason::kLoop});
    }
  };
  reject(100);
  CHECK(world.lines.With({"connection failed"}).size() == 3);
  CHECK(world.lines.With({"left_out"}).empty());
  now += std::chrono::seconds(1);
  reject(1);
  CHECK(world.lines.With({"connection failed", "left_out=97"}).size() == 1);
  CHECK(world.lines.With({"connection failed"}).size() == 4);
}

TEST_CASE("of many early refusals some are told, and then how many were not") {
  aquifer::test::Run(InWorld(RejectsMany));
}

void PeerLeaves(World& world) {
  for (const Reason reason : {Reason::kPeerReset, Reason::kPeerClosed, Reason::kPolicyChanged}) {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.Open();
    session.Finish(Error{reason});
    CHECK(session.failed() == (reason == Reason::kPolicyChanged));
  }
}

TEST_CASE("a peer that leaves is an ending, a policy that ends it an error") {
  aquifer::test::Run(InWorld(PeerLeaves));
}

void Identities(World& world) {
  const auto server = Pod("b");
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.SetDestination(server);
  }
  std::string text = world.registry.Text();
  CHECK(text.find("destination_principal=\"spiffe://cluster.local/ns/default/sa/default\"") !=
        std::string::npos);
  CHECK(text.find("mutual_tls") == std::string::npos);
  CHECK(world.lines.With({"dst.identity"}).empty());
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.SetDestination(server);
    session.SetDestinationIdentity({"cluster.local", "default", "proven"});
    session.SetSourceIdentity({"cluster.local", "default", "client"});
  }
  text = world.registry.Text();
  CHECK(text.find("destination_principal=\"spiffe://cluster.local/ns/default/sa/proven\"") !=
        std::string::npos);
  CHECK(text.find("connection_security_policy=\"mutual_tls\"") != std::string::npos);
  CHECK(world.lines.With({"src.identity", "dst.identity"}).size() == 1);
}

TEST_CASE(
    "the line names identities of mutual TLS only, the series name the destination's anyhow") {
  aquifer::test::Run(InWorld(Identities));
}

// In whatever order they become known.
void ProvenBeforeKnown(World& world) {
  const certs::Identity other{"cluster.local", "default", "other"};
  {
    Session session(world.context, world.refusal_lines, obs::Direction::kInbound, kClient, kServer);
    session.SetSourceIdentity(other);
    session.SetSource(Pod("a"));
    session.SetDestinationIdentity(Pod("b")->identity());
    session.SetDestination(Pod("b"));
    session.SetDestination(nullptr);
  }
  CHECK(world.lines
            .With({"src.workload=\"a\"", "src.identity=\"" + other.ToString() + "\"",
                   "dst.identity=\"" + Pod("b")->identity().ToString() + "\""})
            .size() == 1);
}

TEST_CASE("an identity is what was proven, whichever workload has the address") {
  aquifer::test::Run(InWorld(ProvenBeforeKnown));
}

}  // namespace
}  // namespace aquifer::node
