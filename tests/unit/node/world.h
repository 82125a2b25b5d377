// One worker's context in process and without network namespaces: applications and the proxy's
// ports are on addresses of loopback, and what a redirected socket would say was its destination is
// where it connected to.
//   127.0.0.1   the client's pod: where the kernel dials from on loopback
//   127.0.0.2   the server's pod
//   127.0.0.3   the address of its service
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "certs/local_ca.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "mesh/builder.h"
#include "node-proxy/context.h"
#include "node-proxy/egress.h"
#include "node-proxy/inbound.h"
#include "node-proxy/inbound_connections.h"
#include "node-proxy/outbound.h"
#include "node-proxy/pod_endpoint.h"
#include "node-proxy/session.h"
#include "proxy/revocation_observer.h"
#include "tests/support/catch.h"
#include "tests/support/lines.h"
#include "tests/support/until.h"
#include "tests/unit/mesh/fixtures.h"

namespace aquifer::node::test {

using aquifer::test::Lines;

inline const Ip kClientIp = Ip::V4(127, 0, 0, 1);
inline const Ip kServerIp = Ip::V4(127, 0, 0, 2);
inline const Ip kServiceIp = Ip::V4(127, 0, 0, 3);

// Signs for everybody but those whom the test names.
class Authority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity identity,
                                                               StopToken) override {
    if (refused.contains(identity.service_account))
      co_return certs::Failure{Error{Reason::kConnectRefused}, "refused"};
    certs::PrivateKey key = certs::PrivateKey::Generate();
    const auto leaf = ca.Issue(key.get(), identity, std::chrono::hours(1), certs::SystemWallTime());
    REQUIRE(leaf.ok());
    auto bundle = certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
    REQUIRE(bundle.ok());
    co_return *std::move(bundle);
  }
  const certs::LocalCa ca = certs::LocalCa::Create("test", certs::SystemWallTime());
  std::set<std::string> refused;
};

inline Config TestConfig() {
  Config config;
  config.packet_mark = 0;
  config.keep_source = KeepSource::kOff;
  config.outbound_port = config.inbound_port = config.inbound_plaintext_port = 0;
  return config;
}

inline std::unique_ptr<io::Listener> ListenAt(const Ip& ip) {
  auto listener = io::Listener::Listen(Address{ip, 0});
  REQUIRE(listener.ok());
  return *std::move(listener);
}

// Made on a running loop; ended by End.
struct World {
  explicit World(const NodeBounds& bounds = BoundsOfProcess())
      : metrics(registry),
        hbone_metrics(registry),
        crl_metrics(registry),
        budget(bounds),
        store(authority, &certs::SystemWallTime),
        certs(store, Loop::Current(), &certs::SystemWallTime),
        on_demand_dns(registry),
        egress(hbone::InnerOptions{}, on_demand_dns, Lookup()),
        hbone(ListenAt(kServerIp)),
        context{.config = config,
                .log = lines.logger(),
                .tcp_metrics = metrics,
                .hbone_metrics = hbone_metrics,
                .certs = certs,
                .pool = pool,
                .inbound_connections = connections,
                .limits = limits,
                .sessions = sessions,
                .classify = {.network = {}, .hbone_port = hbone->local().port},
                .inbound = {},
                .random = [] { return 0; },
                .egress = egress,
                .snapshot = nullptr,
                .snapshot_changed = {},
                .revocations = &revocations} {
    tasks.Spawn(Serve());
    Publish();
  }

  // The client and the server are in the mesh; the service's `port` leads to `application`.
  void Populate(std::uint16_t port, std::uint16_t application) {
    builder.Put(mesh::Pod("client", "127.0.0.1"));
    mesh::Service service = mesh::ServiceAt("web.example", "127.0.0.3");
    service.ports = {{port, application}};
    builder.Put(service);
    builder.Put(Server(port, application));
    Publish();
  }
  static mesh::Workload Server(std::uint16_t port, std::uint16_t application) {
    mesh::Workload server =
        mesh::Joins(mesh::Pod("server", "127.0.0.2"), "web.example", {{port, application}});
    server.service_account = "web";
    return server;
  }
  // As Worker takes a new snapshot.
  void Publish() {
    context.snapshot = builder.Build();
    context.snapshot_changed.Wake();
    connections.Reconsider(*context.snapshot);
  }
  std::shared_ptr<PodEndpoint> Endpoint(const std::string& name, const std::string& account) {
    return std::make_shared<PodEndpoint>(
        context, "uid-" + name,
        mesh::LocalName{.ns = "default", .name = name, .service_account = account},
        redirect::PodSockets({.mark = 0, .reuse_port = false}));
  }
  // The series of connections that ended, by flag.
  std::size_t Closed(const std::string& flag) const {
    const std::string text = registry.Text();
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find("tcp_connections_closed_total{", at)) != text.npos;
         ++at) {
      const std::string line = text.substr(at, text.find('\n', at) - at);
      found += line.find("response_flags=\"" + flag + "\"") != line.npos;
    }
    return found;
  }
  hbone::PoolOptions PoolOptions() {
    hbone::PoolOptions options;
    options.revocations = &revocations;
    return options;
  }
  io::NameCache::Lookup Lookup() {
    struct Answer {
      static Task<Result<std::vector<Ip>>> Of(World& world, std::string host, StopToken stop) {
        if (host.starts_with("dead")) {
          ++world.unanswered;
          Event never;
          const Status waited = co_await never.Wait(stop);
          co_return waited.error();
        }
        const auto found = world.names.find(host);
        if (found == world.names.end()) co_return Error{Reason::kNotFound};
        co_return found->second;
      }
    };
    return [this](std::string host, StopToken stop) {
      return Answer::Of(*this, std::move(host), stop);
    };
  }
  Task<void> Serve() { std::ignore = co_await store.Run(stop.token()); }
  template <class Condition>
  static Task<void> Until(Condition happened) {
    return aquifer::test::Until(std::move(happened));
  }
  Task<void> End() {
    stop.RequestStop();
    co_await tasks.Join();
    co_await egress.End();
    co_await pool.Shutdown();
  }

  Config config = TestConfig();
  Lines lines;
  obs::RateLimiter refusal_lines{10};  // of no pod
  obs::Registry registry;
  obs::TcpMetrics metrics;
  obs::HboneMetrics hbone_metrics;
  obs::CrlMetrics crl_metrics;
  obs::LimitMetrics limit_metrics{registry};
  NodeBudget budget;
  WorkerLimits limits{budget, limit_metrics, std::size_t{64} * 1024 * 1024};
  Authority authority;
  certs::CertStore store;
  certs::CertCache certs;
  certs::Revocations revocations{proxy::RevocationObserverOf(&crl_metrics)};
  hbone::Pool pool{PoolOptions()};
  InboundConnections connections;
  // What the system's resolver says; of names that begin with "dead" nothing until the end.
  std::map<std::string, std::vector<Ip>> names;
  int unanswered = 0;
  obs::OnDemandDnsMetrics on_demand_dns;
  Egress egress;
  List<Session> sessions;
  mesh::Builder builder{mesh::BuilderOptions{}};
  std::unique_ptr<io::Listener> hbone;
  StopSource stop;
  WorkerContext context;
  Scope tasks;
};

inline Task<io::SocketPtr> Dial(Address to) {
  Result<io::SocketPtr> socket = co_await io::Connect(to, StopToken());
  REQUIRE(socket.ok());
  co_return *std::move(socket);
}
inline Task<io::SocketPtr> AcceptOne(io::Listener& listener) {
  TimedStop timed(StopToken(), std::chrono::seconds(5), Reason::kTimeout);
  Result<io::SocketPtr> socket = co_await listener.Accept(timed.token());
  REQUIRE(socket.ok());
  co_return *std::move(socket);
}
inline Task<void> Say(io::Stream& stream, std::string text) {
  const Status sent = co_await stream.Write(Chunk::CopyOf(text), StopToken());
  CHECK(sent.ok());
}
// What comes next: the bytes, "FIN", or the word of the error.
inline Task<std::string> Hear(io::Stream& stream) {
  TimedStop timed(StopToken(), std::chrono::seconds(5), Reason::kTimeout);
  Result<Chunk> got = co_await stream.Read(timed.token());
  if (!got) co_return std::string(ReasonWord(got.error().reason));
  co_return got->empty() ? "FIN" : std::string(got->text());
}

}  // namespace aquifer::node::test
