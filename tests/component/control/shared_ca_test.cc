// Replicas that agree on a CA by a Secret of an API server.
#include "control/shared_ca.h"

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
  Task<std::string> Bring(std::string state, StopToken stop = StopToken()) {
    ApiClient client(server.access(), &certs::SystemWallTime);
    SharedCa shared(client,
                    {.namespace_name = "mesh",
                     .name = "ca",
                     .state_directory = directory.Of(state),
                     .trust_domain = "cluster.local",
                     .pause = std::chrono::milliseconds(1)},
                    log);
    const Result<void, Refusal> brought = co_await shared.Bring(stop);
    co_await client.Shutdown();
    co_return brought.ok() ? "" : brought.error().ToString();
  }
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
TEST_CASE("a replica that is stopped does not wait for the CA") { Tell(&StopEndsTheWait); }

}  // namespace aquifer::control
