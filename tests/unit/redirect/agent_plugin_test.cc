// The node agent asked by the CNI plugin, for pods of a manifests directory. Rules need root and
// are the netns tests' matter.
#include <filesystem>
#include <fstream>
#include <memory>
#include <tuple>
#include <utility>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "redirect/agent.h"
#include "redirect/manifest_source.h"
#include "redirect/plugin_process.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/until.h"

namespace aquifer::redirect {
namespace {

// An agent on a directory of its own.
struct World : aquifer::test::TemporaryFolder {
  World() { std::filesystem::create_directories(path / "manifests"); }

  AgentOptions Options() const {
    return {.node_name = "node1",
            .zds_socket = path / "zds.sock",
            .plugin_socket = path / "plugin.sock"};
  }
  std::unique_ptr<PodSource> Source() const {
    ManifestSourceOptions options;
    options.directory = path / "manifests";
    options.node_name = "node1";
    options.netns_from_plugin = true;
    return std::make_unique<ManifestSource>(std::move(options));
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    std::filesystem::rename(path / name, path / "manifests" / name);
  }
  void WritePod(const std::string& mode) const {
    Write("pod.yaml",
          "kind: Pod\napiVersion: v1\nmetadata: {name: cart, namespace: shop, uid: u-1, "
          "labels: {istio.io/dataplane-mode: " +
              mode + "}}\nspec: {nodeName: node1}\n");
  }
};

using Steps = Task<void> (*)(const World&);

Task<void> RunAgent(Steps steps, const World& world) {
  Agent agent(world.Options(), world.Source(), aquifer::test::SharedQuietLog());
  const auto listening = agent.Listen();
  REQUIRE(listening.ok());
  StopSource stop;
  Scope scope;
  scope.Spawn(agent.Run(stop.token()));
  co_await steps(world);
  stop.RequestStop();
  co_await scope.Join();
}

Task<void> AskInto(const World& world, PluginCommand command, std::optional<PluginAnswer>& into) {
  PluginRequest request{.command = command,
                        .ns = "shop",
                        .name = "cart",
                        .uid = "u-1",
                        .netns = world.path / "no-namespace",
                        .container_id = "c1"};
  const Decoded<PluginAnswer> answer =
      co_await AskAgent(world.path / "plugin.sock", std::move(request), StopToken());
  REQUIRE(answer.ok());
  into = *answer;
}

Task<PluginAnswer> Ask(const World& world, PluginCommand command = PluginCommand::kAdd) {
  std::optional<PluginAnswer> answer;
  co_await AskInto(world, command, answer);
  co_return *answer;
}

Task<void> OutOfTheMesh(const World& world) {
  world.WritePod("none");
  const PluginAnswer added = co_await Ask(world);
  CHECK(added == PluginAnswer{.enrolled = false});
  const PluginAnswer checked = co_await Ask(world, PluginCommand::kCheck);
  CHECK(checked == PluginAnswer{.enrolled = false});
}

Task<void> KnownLater(const World& world) {
  std::optional<PluginAnswer> answer;
  Scope asking;
  asking.Spawn(AskInto(world, PluginCommand::kAdd, answer));
  // The agent has answered another one in the meantime, so it had the first before it.
  const PluginAnswer other = co_await Ask(world, PluginCommand::kDel);
  CHECK(other.error.empty());
  CHECK_FALSE(answer.has_value());
  world.WritePod("none");
  co_await asking.Join();
  REQUIRE(answer.has_value());
  CHECK(answer->error.empty());
}

Task<void> CannotBeCaptured(const World& world) {
  world.WritePod("ambient");
  const PluginAnswer answer = co_await Ask(world);
  CHECK_FALSE(answer.enrolled);
  CHECK(answer.error.find((world.path / "no-namespace").string()) != std::string::npos);
}

}  // namespace

TEST_CASE("a pod that is not in the mesh may start at once") {
  const World world;
  test::Run(RunAgent(OutOfTheMesh, world));
}

TEST_CASE("a pod that the source does not know yet waits until it does") {
  const World world;
  test::Run(RunAgent(KnownLater, world));
}

TEST_CASE("a pod of the mesh that cannot be captured may not start") {
  const World world;
  test::Run(RunAgent(CannotBeCaptured, world));
}

}  // namespace aquifer::redirect
