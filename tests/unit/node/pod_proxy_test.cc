#include "node-proxy/pod_proxy.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::Dial;
using test::Hear;
using test::kServerIp;
using test::ListenAt;
using test::World;

// The server's pod, as one worker serves it.
std::unique_ptr<PodProxy> Proxy(World& world) {
  redirect::Pod pod;
  pod.uid = "uid-server";
  pod.info = redirect::PodInfo{.name = "server", .ns = "default", .service_account = "web"};
  return std::make_unique<PodProxy>(world.context, pod,
                                    redirect::PodSockets({.mark = 0, .reuse_port = false}));
}

Address At(const PodProxy& proxy, PodProxy::Kind kind) {
  return Address{kServerIp, proxy.port(kind)};
}

Task<bool> Refused(Address to) {
  Result<io::SocketPtr> socket = co_await io::Connect(to, StopToken());
  co_return !socket.ok() && socket.error().reason == Reason::kConnectRefused;
}

Task<void> DrainsInOrder() {
  World world;
  world.Populate(80, 80);
  const std::unique_ptr<PodProxy> proxy = Proxy(world);
  REQUIRE(proxy->Start().ok());
  const Address hbone = At(*proxy, PodProxy::Kind::kInbound);
  const Address clear = At(*proxy, PodProxy::Kind::kInboundPlaintext);
  const Address outbound = At(*proxy, PodProxy::Kind::kOutbound);
  io::SocketPtr waiting = co_await Dial(hbone);
  co_await World::Until([&] {
    return world.registry.Text().find("tcp_sockets_open{reporter=\"destination\"} 1") !=
           std::string::npos;
  });
  CHECK(proxy->connections() == 1);
  proxy->Drain();
  Scope finishing;
  bool finished = false;
  struct Finishing {
    static Task<void> Run(PodProxy& proxy, bool& finished) {
      co_await proxy.Finish();
      finished = true;
    }
  };
  finishing.Spawn(Finishing::Run(*proxy, finished));
  for (const Address& each : {hbone, clear, outbound}) {
    for (int i = 0; i < 1000 && !co_await Refused(each); ++i) {
      std::ignore = co_await SleepFor(std::chrono::milliseconds(1), StopToken());
    }
    CHECK(co_await Refused(each));
  }
  waiting.reset();
  co_await finishing.Join();
  CHECK(finished);
  CHECK(proxy->connections() == 0);
  CHECK(world.registry.Text().find("tcp_sockets_open{reporter=\"destination\"} 0") !=
        std::string::npos);
  co_await world.End();
}

TEST_CASE("a draining pod takes nobody new and is finished with the last who was there") {
  aquifer::test::Run(DrainsInOrder());
}

Task<void> StopsAtOnce() {
  World world;
  world.Populate(80, 80);
  const std::unique_ptr<PodProxy> proxy = Proxy(world);
  REQUIRE(proxy->Start().ok());
  io::SocketPtr waiting = co_await Dial(At(*proxy, PodProxy::Kind::kInbound));
  co_await World::Until([&] { return proxy->connections() == 1; });
  proxy->Stop(Reason::kStopped);
  co_await proxy->Finish();
  const std::string end = co_await Hear(*waiting);
  CHECK((end == "FIN" || end == "peer_reset"));
  co_await world.End();
}

TEST_CASE("a stopped pod ends those who are there") { aquifer::test::Run(StopsAtOnce()); }

Task<void> NeedsItsPorts() {
  World world;
  world.Populate(80, 80);
  const std::unique_ptr<io::Listener> taken = ListenAt(kServerIp);
  world.config.outbound_port = taken->local().port;
  {
    const std::unique_ptr<PodProxy> proxy = Proxy(world);
    const Status started = proxy->Start();
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().os_error == EADDRINUSE);
  }
  co_await world.End();
}

TEST_CASE("a pod whose port is taken is not served, and says so") {
  aquifer::test::Run(NeedsItsPorts());
}

}  // namespace
}  // namespace aquifer::node
