// The two ends of ZDS on the runtime: over a real socket, with a handler that only notes what it is
// asked.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <tuple>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "redirect/cni_client.h"
#include "redirect/cni_server.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {
namespace {

using aquifer::test::Run;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::InfoOf;

constexpr io::SeqpacketSocket::Limits kLimits{kMaxZdsPacket, kMaxZdsDescriptors};

struct Folder : aquifer::test::TemporaryFolder {
  std::string socket() const { return path / "zds.sock"; }
};

NetnsRef RealNetns() {
  Result<NetnsRef> netns = Netns::Current();
  REQUIRE(netns.ok());
  return *std::move(netns);
}

class NotingHandler final : public PodHandler {
 public:
  Task<Result<void, std::string>> StartPod(Pod pod, StopToken) override {
    log.push_back("start " + pod.uid);
    happened.Wake();
    if (failures > 0) {
      --failures;
      co_return std::string("no port");
    }
    co_return Result<void, std::string>();
  }
  Task<void> StopPod(std::string uid) override {
    log.push_back("stop " + uid);
    happened.Wake();
    co_return;
  }

  std::vector<std::string> log;
  int failures = 0;
  Event happened;
};

CniClientOptions ClientOptions(const Folder& folder) {
  return {.path = folder.socket(),
          .first_backoff = milliseconds(1),
          .longest_backoff = milliseconds(20),
          .retry_pending_after = milliseconds(20)};
}

CniServerOptions ServerOptions(const Folder& folder) {
  return {.path = folder.socket(), .accept_interval = milliseconds(1)};
}

// Ends the test with a failure instead of a hang. Resumes at each turn of the loop's clock.
template <class Condition>
Task<void> Until(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) co_return;
    std::ignore = co_await SleepFor(milliseconds(1), StopToken());
  }
  FAIL("waited for too long");
}

// A client with everything that it needs, and the listener of an agent that the test plays by hand.
struct HandPlayed {
  HandPlayed() {
    auto listening = io::SeqpacketListener::Listen(folder.socket());
    REQUIRE(listening.ok());
    listener = *std::move(listening);
  }

  Folder folder;
  NotingHandler handler;
  CniClient client{ClientOptions(folder), handler, aquifer::test::SharedQuietLog()};
  std::unique_ptr<io::SeqpacketListener> listener;
  StopSource stop;
  Scope scope;
};

Task<io::SeqpacketSocketPtr> AcceptGreeted(HandPlayed& played) {
  Result<io::SeqpacketSocketPtr> proxy = co_await played.listener->Accept(StopToken());
  REQUIRE(proxy.ok());
  const auto hello = co_await (*proxy)->Receive(kLimits, StopToken());
  REQUIRE(hello.ok());
  CHECK(DecodeHello(AsBytes(hello->bytes)).ok());
  co_return *std::move(proxy);
}

// Sends a request and returns the acknowledged error text, or "closed".
Task<std::string> Ask(io::SeqpacketSocket& proxy, std::string packet, int descriptor) {
  const Status sent = co_await proxy.Send(std::move(packet), descriptor, StopToken());
  REQUIRE(sent.ok());
  const auto answer = co_await proxy.Receive(kLimits, StopToken());
  if (!answer) co_return std::string("closed");
  const Decoded<std::string> error = DecodeAck(AsBytes(answer->bytes));
  REQUIRE(error.ok());
  co_return *error;
}

std::string Packet(const ZdsRequest& request) { return *EncodeRequest(request); }

std::string AddPacket(const std::string& uid) {
  return Packet(AddPod{.uid = uid, .info = InfoOf(uid), .netns = UniqueFd()});
}

Task<void> End(HandPlayed& played) {
  played.stop.RequestStop();
  co_await played.scope.Join();
}

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("a client starts what it is given and is ready after the snapshot") {
  const auto body = []() -> Task<void> {
    HandPlayed played;
    played.scope.Spawn(played.client.Run(played.stop.token()));
    const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
    const NetnsRef netns = RealNetns();
    const std::string added = co_await Ask(*agent, AddPacket("a"), netns->fd());
    CHECK(added.empty());
    CHECK_FALSE(played.client.ready());
    const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
    CHECK(snapshot.empty());
    co_await Until([&] { return played.client.ready(); });
    CHECK(played.client.counters().running_pods == 1);
    const std::string removed = co_await Ask(*agent, Packet(DelPod{"a"}), -1);
    CHECK(removed.empty());
    CHECK(played.handler.log == Log{"start a", "stop a"});
    co_await End(played);
  };
  Run(body());
}

TEST_CASE("a client acknowledges with the words of a pod that cannot start and tries it again") {
  const auto body = []() -> Task<void> {
    HandPlayed played;
    played.handler.failures = 2;
    played.scope.Spawn(played.client.Run(played.stop.token()));
    const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
    const NetnsRef netns = RealNetns();
    const std::string added = co_await Ask(*agent, AddPacket("a"), netns->fd());
    CHECK(added == "no port");
    const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
    CHECK(snapshot.empty());
    co_await Until([&] { return played.client.counters().pending_pods == 1; });
    CHECK_FALSE(played.client.ready());
    co_await Until([&] { return played.client.ready(); });
    CHECK(played.handler.log == Log{"start a", "start a", "start a"});
    CHECK(played.client.counters().failed_starts == 2);
    co_await End(played);
  };
  Run(body());
}

TEST_CASE("a client refuses a descriptor that is no network namespace and goes on") {
  const auto body = []() -> Task<void> {
    HandPlayed played;
    played.scope.Spawn(played.client.Run(played.stop.token()));
    const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
    const UniqueFd other = test::AnyFd();
    const std::string added = co_await Ask(*agent, AddPacket("a"), other.get());
    CHECK(added == "the descriptor is not of a network namespace");
    const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
    CHECK(snapshot.empty());
    CHECK(played.handler.log.empty());
    co_await End(played);
  };
  Run(body());
}

TEST_CASE("a message that breaks the protocol ends the connection, not the pods") {
  const auto body = []() -> Task<void> {
    HandPlayed played;
    played.scope.Spawn(played.client.Run(played.stop.token()));
    const NetnsRef netns = RealNetns();
    const std::vector<std::string> bad = {AddPacket("b"), "\xff", std::string(2000, 'x'),
                                          Packet(SnapshotSent{})};
    for (const std::string& packet : bad) {
      const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
      const std::string added = co_await Ask(*agent, AddPacket("a"), netns->fd());
      CHECK(added.empty());
      const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
      CHECK(snapshot.empty());
      const std::string answer = co_await Ask(*agent, packet, -1);
      CHECK(answer == "closed");
    }
    CHECK(played.handler.log == Log{"start a"});
    CHECK(played.client.counters().protocol_errors == bad.size());
    CHECK_FALSE(played.client.ready());
    co_await End(played);
  };
  Run(body());
}

TEST_CASE("a client keeps its pods while there is no agent and mends itself by the next snapshot") {
  const auto body = []() -> Task<void> {
    HandPlayed played;
    played.scope.Spawn(played.client.Run(played.stop.token()));
    const NetnsRef netns = RealNetns();
    {
      const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
      for (const std::string uid : {"a", "b", "c"}) {
        const std::string added = co_await Ask(*agent, AddPacket(uid), netns->fd());
        CHECK(added.empty());
      }
      const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
      CHECK(snapshot.empty());
      co_await Until([&] { return played.client.ready(); });
    }
    co_await Until([&] { return !played.client.ready(); });
    CHECK(played.handler.log == Log{"start a", "start b", "start c"});
    const io::SeqpacketSocketPtr agent = co_await AcceptGreeted(played);
    const std::string added = co_await Ask(*agent, AddPacket("a"), netns->fd());
    const std::string kept = co_await Ask(*agent, Packet(KeepPod{"b"}), -1);
    const std::string snapshot = co_await Ask(*agent, Packet(SnapshotSent{}), -1);
    CHECK((added + kept + snapshot).empty());
    CHECK(played.handler.log == Log{"start a", "start b", "start c", "stop c"});
    co_await End(played);
  };
  Run(body());
}

TEST_CASE("agent and proxy agree on the pods through every change") {
  const auto body = []() -> Task<void> {
    Folder folder;
    StopSource stop;
    CniServer server(ServerOptions(folder), aquifer::test::SharedQuietLog());
    const Status listening = server.Listen();
    CHECK(listening.ok());
    NotingHandler handler;
    CniClient client(ClientOptions(folder), handler, aquifer::test::SharedQuietLog());
    const NetnsRef netns = RealNetns();
    server.SetPod(test::MakePod("a", netns));
    Scope scope;
    scope.Spawn(server.Run(stop.token()));
    scope.Spawn(client.Run(stop.token()));
    co_await Until([&] { return client.ready(); });
    server.SetPod(test::MakePod("b", netns));
    co_await Until([&] { return server.StandingOf("b").standing == ZdsAgent::Standing::kServed; });
    server.RemovePod("a");
    co_await Until([&] { return !server.AnyHolds("a"); });
    CHECK(handler.log == Log{"start a", "start b", "stop a"});
    stop.RequestStop();
    co_await scope.Join();
  };
  Run(body());
}

TEST_CASE("an agent lets go of a proxy that does not acknowledge in time") {
  const auto body = []() -> Task<void> {
    Folder folder;
    StopSource stop;
    CniServerOptions options = ServerOptions(folder);
    options.exchange_timeout = milliseconds(20);
    CniServer server(options, aquifer::test::SharedQuietLog());
    CHECK(server.Listen().ok());
    server.SetPod(test::MakePod("a", RealNetns()));
    Scope scope;
    scope.Spawn(server.Run(stop.token()));
    Result<io::SeqpacketSocketPtr> proxy =
        co_await io::ConnectSeqpacket(folder.socket(), StopToken());
    REQUIRE(proxy.ok());
    std::ignore = co_await (*proxy)->Send(EncodeHello(), -1, StopToken());
    const auto add = co_await (*proxy)->Receive(kLimits, StopToken());
    REQUIRE(add.ok());
    CHECK(add->descriptors.size() == 1);
    co_await Until([&] { return server.proxies() == 0; });
    const auto end = co_await (*proxy)->Receive(kLimits, StopToken());
    CHECK_FALSE(end.ok());
    stop.RequestStop();
    co_await scope.Join();
  };
  Run(body());
}

TEST_CASE("an agent ends a proxy that speaks out of turn, greets wrongly or sends descriptors") {
  const auto body = []() -> Task<void> {
    Folder folder;
    StopSource stop;
    CniServer server(ServerOptions(folder), aquifer::test::SharedQuietLog());
    CHECK(server.Listen().ok());
    Scope scope;
    scope.Spawn(server.Run(stop.token()));
    const UniqueFd fd = test::AnyFd();
    for (const int mistake : {0, 1, 2}) {
      Result<io::SeqpacketSocketPtr> proxy =
          co_await io::ConnectSeqpacket(folder.socket(), StopToken());
      REQUIRE(proxy.ok());
      std::string hello = mistake == 0 ? "\x08\x02" : EncodeHello();
      std::ignore =
          co_await (*proxy)->Send(std::move(hello), mistake == 1 ? fd.get() : -1, StopToken());
      if (mistake == 2) {
        const auto snapshot = co_await (*proxy)->Receive(kLimits, StopToken());
        CHECK(snapshot.ok());
        std::ignore = co_await (*proxy)->Send(EncodeAck(""), -1, StopToken());
        std::ignore = co_await (*proxy)->Send(EncodeAck(""), -1, StopToken());
      }
      const auto end = co_await (*proxy)->Receive(kLimits, StopToken());
      CHECK_FALSE(end.ok());
    }
    stop.RequestStop();
    co_await scope.Join();
  };
  Run(body());
}

TEST_CASE("an agent's socket is its owner's alone, and replaces a socket but nothing else") {
  Folder folder;
  CniServer server(ServerOptions(folder), aquifer::test::SharedQuietLog());
  REQUIRE(server.Listen().ok());
  struct stat info{};
  REQUIRE(::stat(folder.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CniServer again(ServerOptions(folder), aquifer::test::SharedQuietLog());
  CHECK(again.Listen().ok());
  CniServer over_file({.path = folder.path / "file"}, aquifer::test::SharedQuietLog());
  std::filesystem::create_directory(folder.path / "file");
  CHECK_FALSE(over_file.Listen().ok());
}

}  // namespace aquifer::redirect
