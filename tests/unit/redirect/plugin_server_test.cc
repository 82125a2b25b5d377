// The node agent's end of the plugin's socket, asked by the plugin's own end.
#include "redirect/plugin_server.h"

#include <sys/stat.h>

#include <tuple>
#include <vector>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "redirect/plugin_process.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/until.h"

namespace aquifer::redirect {
namespace {

using std::chrono::milliseconds;

struct Folder : aquifer::test::TemporaryFolder {
  std::string socket() const { return path / "plugin.sock"; }
};

PluginRequest RequestFor(const std::string& name, PluginCommand command = PluginCommand::kAdd) {
  return {.command = command,
          .ns = "shop",
          .name = name,
          .uid = "u-" + name,
          .netns = "/var/run/netns/" + name,
          .container_id = "c-" + name};
}

// Holds pods named "held" until it is let go, refuses those named "bad", and says yes to others.
class ScriptedHandler final : public PluginHandler {
 public:
  Task<Decoded<bool>> Add(PluginRequest request, StopToken stop) override {
    added.push_back(request);
    if (request.name == "bad") co_return Refusal{"node proxy", "none is there"};
    if (request.name == "out") co_return false;
    if (request.name == "held") {
      ++holding;
      const Status freed = co_await free.Wait(stop);
      --holding;
      if (!freed) co_return Refusal{"held", Describe(freed.error())};
    }
    co_return true;
  }
  Task<Decoded<bool>> Del(PluginRequest request, StopToken) override {
    deleted.push_back(request);
    co_return false;
  }
  Task<Decoded<bool>> Check(PluginRequest request, StopToken) override {
    checked.push_back(request);
    co_return true;
  }

  std::vector<PluginRequest> added;
  std::vector<PluginRequest> deleted;
  std::vector<PluginRequest> checked;
  int holding = 0;
  Event free;
};

// A server with all that it needs, running for as long as a test's steps do.
struct World {
  explicit World(Clock::duration answer_timeout = std::chrono::seconds(25))
      : server({.path = folder.socket(), .answer_timeout = answer_timeout}, handler,
               aquifer::test::SharedQuietLog()) {
    REQUIRE(server.Listen().ok());
  }

  Folder folder;
  ScriptedHandler handler;
  PluginServer server;
  StopSource stop;
  Scope scope;
};

using Steps = Task<void> (*)(World&);

Task<void> RunWorld(Steps steps, Clock::duration answer_timeout) {
  World world(answer_timeout);
  world.scope.Spawn(world.server.Run(world.stop.token()));
  co_await steps(world);
  world.stop.RequestStop();
  co_await world.scope.Join();
}

void InWorld(Steps steps, Clock::duration answer_timeout = std::chrono::seconds(25)) {
  test::Run(RunWorld(steps, answer_timeout));
}

Task<Decoded<PluginAnswer>> Ask(World& world, std::string name,
                                PluginCommand command = PluginCommand::kAdd) {
  PluginRequest request = RequestFor(name, command);
  Decoded<PluginAnswer> answer =
      co_await AskAgent(world.folder.socket(), std::move(request), StopToken());
  co_return answer;
}

Task<void> AnswersEach(World& world) {
  const Decoded<PluginAnswer> in = co_await Ask(world, "cart");
  REQUIRE(in.ok());
  CHECK(*in == PluginAnswer{.enrolled = true});
  const Decoded<PluginAnswer> out = co_await Ask(world, "out");
  REQUIRE(out.ok());
  CHECK(*out == PluginAnswer{.enrolled = false});
  const Decoded<PluginAnswer> bad = co_await Ask(world, "bad");
  REQUIRE(bad.ok());
  CHECK(bad->error == "node proxy: none is there");
  std::ignore = co_await Ask(world, "cart", PluginCommand::kDel);
  std::ignore = co_await Ask(world, "cart", PluginCommand::kCheck);
  REQUIRE(world.handler.added.size() == 3);
  CHECK(world.handler.added[0] == RequestFor("cart"));
  REQUIRE(world.handler.deleted.size() == 1);
  CHECK(world.handler.deleted[0] == RequestFor("cart", PluginCommand::kDel));
  CHECK(world.handler.checked.size() == 1);
  CHECK(world.server.counters().requests == 5);
  CHECK(world.server.counters().failed_requests == 1);
}

Task<void> HoldOne(World& world, int& answered) {
  const Decoded<PluginAnswer> answer = co_await Ask(world, "held");
  CHECK(answer.ok());
  ++answered;
}

Task<void> WaitsBesideOthers(World& world) {
  int answered = 0;
  Scope asking;
  asking.Spawn(HoldOne(world, answered));
  co_await test::Until([&] { return world.handler.holding == 1; });
  const Decoded<PluginAnswer> other = co_await Ask(world, "cart");
  CHECK(other.ok());
  CHECK(answered == 0);
  world.handler.free.Set();
  co_await asking.Join();
  CHECK(answered == 1);
}

Task<void> TellsOfTimeout(World& world) {
  const Decoded<PluginAnswer> answer = co_await Ask(world, "held");
  REQUIRE(answer.ok());
  CHECK(answer->error.starts_with("held: "));
  CHECK(world.handler.holding == 0);
}

Task<void> StopsForTheGone(World& world) {
  const std::string path = world.folder.socket();
  Result<io::SeqpacketSocketPtr> plugin = co_await io::ConnectSeqpacket(path, StopToken());
  REQUIRE(plugin.ok());
  std::string packet = *EncodePluginRequest(RequestFor("held"));
  const Status sent = co_await (*plugin)->Send(std::move(packet), -1, StopToken());
  REQUIRE(sent.ok());
  co_await test::Until([&] { return world.handler.holding == 1; });
  *plugin = nullptr;
  co_await test::Until([&] { return world.handler.holding == 0; });
}

// Sends one packet and gives the answer's error.
Task<std::string> Say(World& world, std::string packet) {
  const std::string path = world.folder.socket();
  Result<io::SeqpacketSocketPtr> plugin = co_await io::ConnectSeqpacket(path, StopToken());
  REQUIRE(plugin.ok());
  const Status sent = co_await (*plugin)->Send(std::move(packet), -1, StopToken());
  REQUIRE(sent.ok());
  const io::SeqpacketSocket::Limits limits{kMaxPluginPacket, 0};
  const auto answer = co_await (*plugin)->Receive(limits, StopToken());
  if (!answer) co_return std::string("closed");
  const Decoded<PluginAnswer> read = DecodePluginAnswer(answer->bytes);
  REQUIRE(read.ok());
  co_return read->error;
}

Task<void> RefusesWhatIsNone(World& world) {
  const std::string none = co_await Say(world, "hello");
  CHECK(none == "is not JSON");
  const std::string large = co_await Say(world, std::string(kMaxPluginPacket + 1, ' '));
  CHECK(large == "closed");
  const Decoded<PluginAnswer> good = co_await Ask(world, "cart");
  CHECK(good.ok());
  CHECK(world.handler.added.size() == 1);
  CHECK(world.server.counters().broken_exchanges == 1);
}

Task<void> AskNobody(const Folder& folder, Decoded<PluginAnswer>& answer) {
  PluginRequest request = RequestFor("cart", PluginCommand::kDel);
  answer = co_await AskAgent(folder.socket(), std::move(request), StopToken());
}

}  // namespace

TEST_CASE("each request of a plugin gets the handler's answer") { InWorld(AnswersEach); }

TEST_CASE("a pod that has to wait does not keep others waiting") { InWorld(WaitsBesideOthers); }

TEST_CASE("a plugin hears what was missing when its time is over") {
  InWorld(TellsOfTimeout, milliseconds(20));
}

TEST_CASE("nothing more is done for a plugin that has gone") { InWorld(StopsForTheGone); }

TEST_CASE("what is no request is answered with why, and costs the others nothing") {
  InWorld(RefusesWhatIsNone);
}

TEST_CASE("only the agent's own user may open the plugin's socket") {
  const World world;
  struct stat info{};
  REQUIRE(::stat(world.folder.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a plugin learns that no agent is there, and where it looked") {
  const Folder folder;
  Decoded<PluginAnswer> answer = PluginAnswer{};
  test::Run(AskNobody(folder, answer));
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().field == folder.socket());
}

}  // namespace aquifer::redirect
