// The proxy's own pod: its metrics and its readiness over HBONE, and nothing else of it.
#include "tests/support/run_task.h"
#include "tests/unit/node/inbound_world.h"

#include "node-proxy/pod_proxy.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Hear;
using test::kServerIp;
using test::ListenAt;
using test::Say;
using test::World;

constexpr auto kHbone = PodProxy::Kind::kInbound;

// "server" is the proxy's own pod; its two ports that may be reached are listeners of the test.
struct Self {
  explicit Self(World& w, std::string trust_domain = "cluster.local")
      : world(w),
        stats(ListenAt(kServerIp)),
        ready(ListenAt(kServerIp)),
        admin(ListenAt(kServerIp)) {
    world.config.trust_domain = std::move(trust_domain);
    world.config.stats_port = stats->local().port;
    world.config.ready_port = ready->local().port;
    world.config.admin_port = admin->local().port;
    world.Populate(80, stats->local().port);
    redirect::Pod pod;
    pod.uid = "self";
    pod.info = redirect::PodInfo{.name = "server", .ns = "default", .service_account = "web"};
    proxy = std::make_unique<PodProxy>(world.context, pod,
                                       redirect::PodSockets({.mark = 0, .reuse_port = false}),
                                       PodProxy::Role::kSelf);
    REQUIRE(proxy->Start().ok());
  }
  Task<Result<hbone::Tunnel, hbone::TunnelError>> Open(hbone::Authority authority,
                                                       std::string trust_domain) {
    const certs::Identity own{trust_domain, "default", "default"};
    Result<certs::CertRef> certificate = co_await world.certs.Get(own, StopToken());
    REQUIRE(certificate.ok());
    hbone::PoolKey key{.source = own,
                       .origin = "",
                       .expected = {{trust_domain, "default", "web"}},
                       .expected_trust_domain = {},
                       .gateway = Address{kServerIp, proxy->port(kHbone)}};
    hbone::ConnectRequest request;
    request.authority = std::move(authority);
    co_return co_await world.pool.Open(std::move(key), std::make_shared<hbone::PlainDialer>(),
                                       (*certificate)->client, std::move(request), StopToken());
  }
  Task<void> End() {
    proxy->Stop(Reason::kStopped);
    co_await proxy->Finish();
    proxy.reset();
    co_await world.End();
  }

  World& world;
  std::unique_ptr<io::Listener> stats, ready, admin;
  std::unique_ptr<PodProxy> proxy;
};

Task<void> Reaches(std::string trust_domain) {
  World world;
  Self self(world, trust_domain);
  for (io::Listener* const each : {self.stats.get(), self.ready.get()}) {
    auto tunnel = co_await self.Open(each->local(), trust_domain);
    REQUIRE(tunnel.ok());
    io::SocketPtr server = co_await AcceptOne(*each);
    co_await Say(*tunnel->stream, "GET");
    CHECK(co_await Hear(*server) == "GET");
    co_await Say(*server, "# TYPE");
    CHECK(co_await Hear(*tunnel->stream) == "# TYPE");
    server.reset();
    tunnel->stream.reset();
  }
  co_await World::Until([&] { return world.lines.With({"connection complete"}).size() == 2; });
  const std::string identities =
      "src.identity=\"spiffe://" + trust_domain + "/ns/default/sa/default\"";
  CHECK(world.lines
            .With({"direction=\"inbound\"", identities,
                   "dst.identity=\"spiffe://" + trust_domain + "/ns/default/sa/web\"",
                   "dst.hbone_addr=" + self.stats->local().ToString(),
                   "dst.addr=" + Address{kServerIp, self.proxy->port(kHbone)}.ToString()})
            .size() == 1);
  co_await self.End();
}

TEST_CASE("the proxy's metrics and readiness are had over HBONE, from its own identity") {
  aquifer::test::Run(Reaches("cluster.local"));
}

TEST_CASE("TRUST_DOMAIN is the proxy's own") { aquifer::test::Run(Reaches("td.example")); }

Task<void> RefusesOthers() {
  World world;
  Self self(world);
  for (const std::uint16_t port :
       {self.admin->local().port, std::uint16_t{15000}, std::uint16_t{15001}, std::uint16_t{15006},
        std::uint16_t{15008}, std::uint16_t{15053}, std::uint16_t{15080}, std::uint16_t{22}}) {
    INFO(port);
    const auto refused = co_await self.Open(Address{kServerIp, port}, "cluster.local");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().status == 503);
  }
  const auto loopback = co_await self.Open(Address{Ip::Loopback4(), 15000}, "cluster.local");
  REQUIRE_FALSE(loopback.ok());
  CHECK(loopback.error().status == 400);
  TimedStop soon(StopToken(), std::chrono::milliseconds(20), Reason::kTimeout);
  CHECK_FALSE((co_await self.admin->Accept(soon.token())).ok());
  co_await self.End();
}

TEST_CASE("nothing else of the proxy is had over HBONE, its admin port least of all") {
  aquifer::test::Run(RefusesOthers());
}

Task<void> ObeysPolicies() {
  World world;
  Self self(world);
  world.builder.Put(test::DenyAll());
  world.Publish();
  const auto denied = co_await self.Open(self.stats->local(), "cluster.local");
  REQUIRE_FALSE(denied.ok());
  CHECK(denied.error().status == 401);
  co_await self.End();
}

TEST_CASE("the policies of the proxy's own pod apply to its metrics") {
  aquifer::test::Run(ObeysPolicies());
}

Task<void> ListensOnce() {
  World world;
  Self self(world);
  CHECK(self.proxy->port(kHbone) != 0);
  CHECK(self.proxy->port(PodProxy::Kind::kOutbound) == 0);
  CHECK(self.proxy->port(PodProxy::Kind::kInboundPlaintext) == 0);
  co_await self.End();
}

TEST_CASE("the proxy's own pod is not captured: it has no other port than HBONE's") {
  aquifer::test::Run(ListensOnce());
}

}  // namespace
}  // namespace aquifer::node
