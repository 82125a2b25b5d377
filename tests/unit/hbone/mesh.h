// A client's pool and a server of HBONE on a loop, with dials that a test decides on.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "certs/local_ca.h"
#include "certs/tls_stream.h"
#include "core/io/socket.h"
#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "hbone/pool.h"
#include "hbone/server.h"
#include "tests/support/catch.h"

namespace aquifer::hbone::test {

using certs::Identity;

inline certs::WallTime Now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}
inline const Identity kClient{"cluster.local", "default", "client"};
inline const Identity kServer{"cluster.local", "default", "server"};

inline certs::CertificateBundle Issue(const certs::LocalCa& ca, const Identity& identity) {
  certs::PrivateKey key = certs::PrivateKey::Generate();
  Decoded<std::string> leaf = ca.Issue(key.get(), identity, std::chrono::hours(1), Now());
  REQUIRE(leaf.ok());
  Decoded<certs::CertificateBundle> bundle =
      certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
  REQUIRE(bundle.ok());
  return *std::move(bundle);
}

// Answers with what it hears; refuses port 403.
class EchoHandler final : public ConnectHandler {
 public:
  Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) override {
    ++connects;
    last_peer = tunnel.peer;
    if (std::get<Address>(tunnel.request.authority).port == 403) {
      std::ignore = tunnel.Refuse(401, "policy default/deny");
      co_return;
    }
    std::ignore = tunnel.Accept();
    while (true) {
      Result<Chunk> got = co_await tunnel.stream->Read(stop);
      if (!got || got->empty()) break;
      const Status sent = co_await tunnel.stream->Write(*std::move(got), stop);
      if (!sent) break;
    }
    std::ignore = co_await tunnel.stream->ShutdownWrite(stop);
  }
  void OnHandshakeFailed(const Address&, const Address&, const Error& error,
                         const std::string&) override {
    failed.push_back(error.reason);
  }
  void OnBadRequest(const Address&, const Identity&, const Refusal&) override { ++bad_requests; }
  void OnConnectionBroken(const Address&, const Identity&, const Error& error) override {
    broken.push_back(error.reason);
  }

  int connects = 0;
  int bad_requests = 0;
  Identity last_peer;
  std::vector<Reason> failed;
  std::vector<Reason> broken;
};

struct Mesh {
  explicit Mesh(const PoolOptions& options = {})
      : ca(certs::LocalCa::Create("test", Now())),
        client(certs::TlsContext::MeshClient(Issue(ca, kClient))),
        server(certs::TlsContext::MeshServer(Issue(ca, kServer))),
        pool(options) {
    Result<std::unique_ptr<io::Listener>> made = io::Listener::Listen(Address{Ip::Loopback4(), 0});
    REQUIRE(made.ok());
    listener = *std::move(made);
  }
  PoolKey Key() const { return PoolKey{kClient, "", {kServer}, "", listener->local()}; }
  Task<void> Finish() {
    co_await pool.Shutdown();
    stop.RequestStop();
    co_await connections.Join();
  }

  certs::LocalCa ca;
  certs::TlsContextRef client;
  certs::TlsContextRef server;
  std::unique_ptr<io::Listener> listener;
  EchoHandler handler;
  std::shared_ptr<Dialer> dialer = std::make_shared<PlainDialer>();
  StopSource drain;
  StopSource stop;
  Scope connections;
  Pool pool;
  int accepted = 0;
};

inline Task<void> AcceptLoop(Mesh& mesh) {
  while (true) {
    Result<io::SocketPtr> socket = co_await mesh.listener->Accept(mesh.stop.token());
    if (!socket) co_return;
    ++mesh.accepted;
    mesh.connections.Spawn(ServeConnection(*std::move(socket), mesh.server,
                                           certs::InTrustDomain{"cluster.local"}, ServerOptions{},
                                           mesh.handler, mesh.drain.token(), mesh.stop.token()));
  }
}

inline ConnectRequest To(std::uint16_t port) {
  return ConnectRequest{.authority = Address{Ip::V4(10, 0, 0, 1), port},
                        .baggage = {},
                        .forwarded_for = {},
                        .forwarded_host = {},
                        .traceparent = {},
                        .forwarded_network = {}};
}

inline Task<Result<Tunnel, TunnelError>> OpenTo(Mesh& mesh, PoolKey key, std::uint16_t port) {
  ConnectRequest request = To(port);
  return mesh.pool.Open(std::move(key), mesh.dialer, mesh.client, std::move(request), StopToken());
}

// Lets each dial through, or fails it, when the test says so.
class HeldDialer final : public Dialer {
 public:
  struct Held {
    Event decided;
    bool fails = false;
  };
  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override {
    const std::shared_ptr<Held> mine = std::make_shared<Held>();
    dials.push_back(mine);
    arrived.Wake();
    const Status waited = co_await mine->decided.Wait(stop);
    if (!waited) co_return waited.error();
    if (mine->fails) co_return Error{Reason::kConnectRefused};
    co_return co_await io::Connect(to, stop);
  }
  Task<void> Await(std::size_t count) {
    while (dials.size() < count) std::ignore = co_await arrived.Wait(StopToken());
  }

  std::vector<std::shared_ptr<Held>> dials;
  Event arrived;
};

inline Task<void> OpenOne(Mesh& mesh, PoolKey key, std::uint16_t port,
                          std::vector<Result<Tunnel, TunnelError>>& out) {
  out.push_back(co_await OpenTo(mesh, std::move(key), port));
}

}  // namespace aquifer::hbone::test
