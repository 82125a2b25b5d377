// Replicas that agree on a CA by a Secret of an API server.
#include "control/shared_ca.h"

#include "certs/local_ca.h"
#include "control/ca_state.h"
#include "control/kube/values.h"
#include "tests/component/kube/api_server.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/story.h"
#include "tests/unit/control/source/files.h"

namespace aquifer::control {
namespace {

using aquifer::test::Tell;

const std::string kSecrets = "/api/v1/secrets";
const std::string kSecret = "/api/v1/namespaces/mesh/secrets/ca";

struct World {
  World() { server.Serve(kSecrets); }
  Task<void> End() { co_await server.End(); }

  // What a replica with that state says.
  Task<std::string> Bring(std::string state, StopToken stop = StopToken(),
                          certs::WallClock clock = &certs::SystemWallTime) {
    ApiClient client(server.access(), &certs::SystemWallTime);
    SharedCa shared(client,
                    {.namespace_name = "mesh",
                     .name = "ca",
                     .state_directory = directory.Of(state),
                     .trust_domain = "cluster.local",
                     .pause = std::chrono::milliseconds(1),
                     .clock = std::move(clock)},
                    log);
    const Result<void, Refusal> brought = co_await shared.Bring(stop);
    co_await client.Shutdown();
    co_return brought.ok() ? "" : brought.error().ToString();
  }
  // Whether anything has changed for that replica: "yes", "no", or what it says.
  Task<std::string> Look(std::string state, certs::WallTime now) {
    ApiClient client(server.access(), &certs::SystemWallTime);
    SharedCa shared(client,
                    {.namespace_name = "mesh",
                     .name = "ca",
                     .state_directory = directory.Of(state),
                     .trust_domain = "cluster.local",
                     .clock = [now] { return now; }},
                    log);
    const Decoded<bool> changed = co_await shared.LookAgain(StopToken());
    co_await client.Shutdown();
    if (!changed.ok()) co_return changed.error().ToString();
    co_return *changed ? "yes" : "no";
  }
  // When a root that is made now is about to end.
  static certs::WallTime Late() { return certs::SystemWallTime() + std::chrono::days(3600); }

  CaFiles FilesOf(const std::string& state) {
    const Decoded<CaFiles> files = ReadCaFiles(directory.Of(state) + "/ca");
    REQUIRE(files.ok());
    return *files;
  }

  TestDirectory directory;
  obs::Logger log{test::QuietLog()};
  kube::ApiServer server;
};

Task<void> SecondTakesTheFirsts(World& world) {
  CHECK(co_await world.Bring("first") == "");
  CHECK(world.server.Find(kSecrets, "ca") != nullptr);
  CHECK(co_await world.Bring("second") == "");
  CHECK(world.server.sent().size() == 1);
  CHECK(world.FilesOf("first").size() == 3);
  CHECK(world.FilesOf("first") == world.FilesOf("second"));
}

Task<void> FasterOneCounts(World& world) {
  CHECK(co_await world.Bring("faster") == "");
  const Json secret = *world.server.Find(kSecrets, "ca");
  world.server.Forget(kSecrets, "ca");
  world.server.Before([&](const kube::ApiServer::Sent& request) {
    if (request.method == "POST") world.server.Put(kSecrets, secret.dump());
  });
  CHECK(co_await world.Bring("slower") == "");
  CHECK(world.server.Find(kSecrets, "ca")->at("data") == secret.at("data"));
  CHECK(world.FilesOf("slower") == world.FilesOf("faster"));
}

Task<void> AsksUntilThereIsAnAnswer(World& world) {
  world.server.Answer(kSecret, 503, "away", 3);
  CHECK(co_await world.Bring("state") == "");
  CHECK(world.server.CountsOf(kSecret).refused == 3);
  CHECK(world.FilesOf("state").size() == 3);
}

Task<void> BadSecretEndsTheStart(World& world) {
  world.server.Put(kSecrets, R"({"metadata": {"name": "ca"}, "data": {}})");
  CHECK(co_await world.Bring("state") == "Secret mesh/ca: data.ca-key.pem: is missing");
  CHECK(world.FilesOf("state").empty());
}

Task<void> AgreesOnTheSuccessor(World& world) {
  using std::chrono::days;
  CHECK(co_await world.Bring("first") == "");
  CHECK(co_await world.Bring("second") == "");
  CHECK(co_await world.Look("first", certs::SystemWallTime()) == "no");
  const CaFiles before = world.FilesOf("first");
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("first").contains("next-ca-key.pem"));
  CHECK(world.FilesOf("first").at("ca-cert.pem") == before.at("ca-cert.pem"));
  CHECK(co_await world.Look("second", World::Late()) == "yes");
  CHECK(world.FilesOf("second") == world.FilesOf("first"));
  CHECK(co_await world.Look("second", World::Late() + days(8)) == "yes");
  CHECK(world.FilesOf("second").at("ca-cert.pem") == world.FilesOf("first").at("next-ca-cert.pem"));
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("second") == world.FilesOf("first"));
}

Task<void> LosesTheRace(World& world) {
  CHECK(co_await world.Bring("faster") == "");
  CHECK(co_await world.Bring("slower") == "");
  const CaFiles before = world.FilesOf("slower");
  // Somebody else writes between reading and writing.
  world.server.Before([&](const kube::ApiServer::Sent& request) {
    if (request.method != "PATCH") return;
    Json secret = *world.server.Find(kSecrets, "ca");
    secret["metadata"]["annotations"]["by"] = "another";
    world.server.Put(kSecrets, secret.dump());
  });
  CHECK(co_await world.Look("slower", World::Late()) == "no");
  CHECK(world.FilesOf("slower") == before);
}

Task<void> FollowsAnOperator(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const certs::LocalCa theirs = certs::LocalCa::Create("operator", certs::SystemWallTime());
  const CaFiles files = {{"ca-key.pem", theirs.KeyPem()},
                         {"ca-cert.pem", theirs.ChainPem()},
                         {"root-cert.pem", std::string(theirs.roots()->pem())}};
  Json secret = Json::parse(CaSecretBody("mesh", "ca", files));
  // As a change of the data alone leaves it.
  const Json made = *world.server.Find(kSecrets, "ca");
  secret["metadata"] = made.at("metadata");
  world.server.Put(kSecrets, secret.dump());
  const size_t sent = world.server.sent().size();
  // Theirs is for them to renew.
  CHECK(co_await world.Look("first", World::Late()) == "yes");
  CHECK(world.FilesOf("first") == files);
  CHECK(world.server.sent().size() == sent);
}

Task<void> RefusesWhatCannotSign(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const CaFiles before = world.FilesOf("first");
  const certs::WallTime now = certs::SystemWallTime();
  const std::vector<int> aways = {-4000, 4000};
  for (const int away : aways) {
    const certs::LocalCa theirs = certs::LocalCa::Create("operator", now + std::chrono::days(away));
    const CaFiles files = {{"ca-key.pem", theirs.KeyPem()},
                           {"ca-cert.pem", theirs.ChainPem()},
                           {"root-cert.pem", std::string(theirs.roots()->pem())}};
    Json secret = Json::parse(CaSecretBody("mesh", "ca", files));
    secret["metadata"].erase("labels");
    world.server.Put(kSecrets, secret.dump());
    const std::string said = co_await world.Look("first", now);
    CHECK(said.starts_with("Secret mesh/ca: ca-cert.pem: "));
    CHECK(world.FilesOf("first") == before);
  }
}

Task<void> SucceedsARootThatHasEnded(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const CaFiles before = world.FilesOf("first");
  const certs::WallTime later = certs::SystemWallTime() + std::chrono::days(4000);
  const certs::WallClock clock = [later] { return later; };
  CHECK(co_await world.Bring("second", StopToken(), clock) == "");
  CHECK(world.FilesOf("second").at("retired-ca-cert.pem") == before.at("ca-cert.pem"));
  CHECK(CaOf(world.FilesOf("second"))->certificate().not_after > later);
}

Task<void> KeepsWhatItHas(World& world) {
  CHECK(co_await world.Bring("first") == "");
  const CaFiles before = world.FilesOf("first");
  world.server.Answer(kSecret, 503, "away", 1);
  CHECK(co_await world.Look("first", World::Late()) == "no");
  world.server.Put(kSecrets, R"({"metadata": {"name": "ca", "namespace": "mesh"}, "data": {}})");
  CHECK(co_await world.Look("first", World::Late()) ==
        "Secret mesh/ca: data.ca-key.pem: is missing");
  world.server.Forget(kSecrets, "ca");
  CHECK(co_await world.Look("first", World::Late()) == "no");
  CHECK(world.FilesOf("first") == before);
}

Task<void> StopEndsTheWait(World& world) {
  StopSource stop;
  stop.RequestStop();
  CHECK(co_await world.Bring("state", stop.token()) == "");
  CHECK(world.FilesOf("state").empty());
}

}  // namespace

TEST_CASE("the CA of the first replica becomes the Secret, and the next one takes it") {
  Tell(&SecondTakesTheFirsts);
}
TEST_CASE("of two replicas that make a CA at once the faster one's counts") {
  Tell(&FasterOneCounts);
}
TEST_CASE("a replica asks for the CA until it has an answer") { Tell(&AsksUntilThereIsAnAnswer); }
TEST_CASE("a Secret that makes no CA ends the start") { Tell(&BadSecretEndsTheStart); }
TEST_CASE("replicas agree by the Secret on a successor of their root and when it signs") {
  Tell(&AgreesOnTheSuccessor);
}
TEST_CASE("a step that another replica was faster with is not taken") { Tell(&LosesTheRace); }
TEST_CASE("a Secret that an operator has changed is followed and never written") {
  Tell(&FollowsAnOperator);
}
TEST_CASE("a Secret that goes or makes no CA any more changes nothing") { Tell(&KeepsWhatItHas); }
TEST_CASE("a CA that has ended or not begun takes the place of none") {
  Tell(&RefusesWhatCannotSign);
}
TEST_CASE("a replica that starts after the end of its root has a successor that signs") {
  Tell(&SucceedsARootThatHasEnded);
}
TEST_CASE("a replica that is stopped does not wait for the CA") { Tell(&StopEndsTheWait); }

}  // namespace aquifer::control
