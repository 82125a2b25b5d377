// Clients whose connections the proxy has captured, on the World of world.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "node-proxy/inbound.h"
#include "node-proxy/outbound.h"
#include "tests/unit/node/world.h"

namespace aquifer::node::test {

// A client of the service web.example, whose proxy is `outbound`. What the service leads to is the
// test's to say.
struct Captured {
  explicit Captured(World& w)
      : world(w),
        outbound(ListenAt(kServiceIp)),
        application(ListenAt(kServerIp)),
        pod(w.Endpoint("client", "default")) {}
  // The application of the client has connected, and its proxy takes it from there.
  Task<io::SocketPtr> NewClient() {
    io::SocketPtr connected = co_await Dial(outbound->local());
    io::SocketPtr accepted = co_await AcceptOne(*outbound);
    serving.Spawn(ServeOutbound(world.context, pod, std::move(accepted), world.stop.token()));
    co_return connected;
  }
  Task<void> Connect() { client = co_await NewClient(); }
  // Connects and is reset.
  Task<void> IsReset() {
    co_await Connect();
    CHECK(co_await Hear(*client) == "peer_reset");
    co_await serving.Join();
  }
  // The same, which leaves one line that holds `words`.
  Task<void> IsReset(std::vector<std::string> words) {
    co_await IsReset();
    words.push_back("direction=\"outbound\"");
    CHECK(world.lines.With(words).size() == 1);
  }
  Task<void> End() {
    co_await serving.Join();
    co_await world.End();
  }

  World& world;
  std::unique_ptr<io::Listener> outbound, application;
  std::shared_ptr<PodEndpoint> pod;
  io::SocketPtr client;
  Scope serving;
};

// The same client, and a server behind the service, whose proxy is the world's.
struct Pair : Captured {
  explicit Pair(World& w)
      : Captured(w),
        server_pod(w.Endpoint("server", "web")),
        handler(w.context, *server_pod, false) {
    world.Populate(outbound->local().port, application->local().port);
  }
  Task<void> ServeHbone() {
    while (true) {
      Result<io::SocketPtr> accepted = co_await world.hbone->Accept(world.stop.token());
      if (!accepted) co_return;
      hbone.Spawn(ServeInbound(world.context, *server_pod, handler, *std::move(accepted),
                               StopToken(), world.stop.token()));
    }
  }
  // Connected to the application through both proxies.
  Task<void> ConnectThrough() {
    hbone.Spawn(ServeHbone());
    co_await Connect();
    server = co_await AcceptOne(*application);
  }
  // The service's endpoint, changed.
  template <class Change>
  void ChangeServer(Change change) {
    mesh::Workload changed = World::Server(outbound->local().port, application->local().port);
    change(changed);
    world.builder.Put(changed);
    world.Publish();
  }
  Task<void> End() {
    co_await Captured::End();
    co_await hbone.Join();
  }

  std::shared_ptr<PodEndpoint> server_pod;
  InboundHandler handler;
  io::SocketPtr server;
  Scope hbone;
};

}  // namespace aquifer::node::test
