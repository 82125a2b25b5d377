#include "certs/ca_client.h"

#include <stdlib.h>

#include <filesystem>

#include "certs/ca_service.h"
#include "certs/file.h"
#include "certs/local_authority.h"
#include "certs/store.h"
#include "certs/tls_stream.h"
#include "core/http/grpc_server.h"
#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/support.h"

namespace aquifer::certs {
namespace {

using http::GrpcCode;
using http::GrpcStatus;
using test::kClientId;
using test::kDay;
using test::kNow;
using test::kServerId;
using test::SharedCa;

const std::string kToken = "token-of-the-node";

class TestPolicy final : public SigningPolicy {
 public:
  Task<Result<Identity, GrpcStatus>> Authorize(const http::RequestHead& caller,
                                               const SigningRequest& request, StopToken) override {
    authorization = std::string(caller.headers.Get("authorization").value_or(""));
    cluster = std::string(caller.headers.Get("clusterid").value_or(""));
    if (authorization != "Bearer " + kToken) {
      co_return GrpcStatus{GrpcCode::kUnauthenticated, "no such token"};
    }
    if (instead) co_return *instead;
    if (!request.impersonated)
      co_return GrpcStatus{GrpcCode::kPermissionDenied, "nobody asked for"};
    co_return *request.impersonated;
  }

  void OnMalformed(const http::RequestHead&, const GrpcStatus& status) override {
    malformed.push_back(status.message);
  }

  std::optional<Identity> instead;
  std::vector<std::string> malformed;
  std::string authorization;
  std::string cluster;
};

// A CA on a loopback port, and a client of it.
struct Fixture {
  Fixture() : listener(*io::Listener::Listen(Address{Ip::Loopback4(), 0})) {
    service.RegisterWith(server);
    options.address = listener->local().ToString();
    options.roots = SharedCa().roots()->pem();
    options.token = kToken;
    options.cluster_id = "Kubernetes";
    scope.Spawn(AcceptLoop());
  }

  Task<void> AcceptLoop() {
    while (!stop.requested()) {
      Result<io::SocketPtr> socket = co_await listener->Accept(stop.token());
      if (!socket) co_return;
      ++connections;
      scope.Spawn(Serve(*std::move(socket)));
    }
  }
  Task<void> Serve(io::SocketPtr socket) {
    io::StreamPtr carrier = std::move(socket);
    PeerExpectation expected = clients;
    auto stream = co_await ServerHandshake(std::move(carrier), context, std::move(expected), kNow,
                                           stop.token());
    if (!stream) co_return;
    io::StreamPtr transport = *std::move(stream);
    const http::H2Options h2;
    std::ignore = co_await server.ServeConnection(std::move(transport), h2, stop.token());
  }
  Task<void> End() {
    stop.RequestStop();
    co_await scope.Join();
  }
  // One request over a channel of its own.
  Task<Result<CertificateBundle, Failure>> Fetch(Identity identity,
                                                 CaClientOptions client_options = {}) {
    Channel channel(options, [] { return kNow; });
    CaClient client(channel, client_options);
    auto answer = co_await client.Fetch(std::move(identity), StopToken());
    co_await channel.Shutdown();
    co_return answer;
  }

  StopSource stop;
  std::unique_ptr<io::Listener> listener;
  TlsContextRef context = TlsContext::HostServer(SharedCa().ServerBundle("istiod.istio-system.svc"),
                                                 PeerCertificate::kNone);
  PeerExpectation clients = OneOf{};
  TestPolicy policy;
  CaService service{SharedCa().ca(), policy, [] { return kNow; }};
  http::GrpcServer server;
  ChannelOptions options;
  int connections = 0;
  Scope scope;
};

Task<void> Issues() {
  Fixture f;
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(bundle.ok());
  CHECK(bundle->identity() == kClientId);
  CHECK(bundle->leaf().not_after == kNow + kDay);
  CHECK(bundle->roots()->certificates().size() == 1);
  CHECK(f.policy.cluster == "Kubernetes");
  co_await f.End();
}

TEST_CASE("the CA signs for a workload that a node asks for") { aquifer::test::Run(Issues()); }

Task<void> ShortLife() {
  Fixture f;
  const CaClientOptions options{.ttl = std::chrono::hours(1)};
  const auto bundle = co_await f.Fetch(kClientId, options);
  REQUIRE(bundle.ok());
  CHECK(bundle->leaf().not_after == kNow + std::chrono::hours(1));
  co_await f.End();
}

TEST_CASE("a certificate lives as long as was asked for") { aquifer::test::Run(ShortLife()); }

Task<void> RefusesToken() {
  Fixture f;
  f.options.token = "another";
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().error.reason == Reason::kIdentityUnavailable);
  CHECK(bundle.error().detail == "the CA refused: UNAUTHENTICATED: no such token");
  co_await f.End();
}

TEST_CASE("what the CA says when it refuses reaches the log") {
  aquifer::test::Run(RefusesToken());
}

Task<void> AsItself() {
  Fixture f;
  f.policy.instead = kClientId;
  const CaClientOptions options{.caller = CaClientOptions::Caller::kWorkload};
  const auto bundle = co_await f.Fetch(kClientId, options);
  CHECK(bundle.ok());
  f.policy.instead.reset();
  const auto refused = co_await f.Fetch(kClientId, options);
  CHECK(!refused.ok());  // nothing was impersonated
  co_await f.End();
}

TEST_CASE("a workload asks as itself, without impersonation") { aquifer::test::Run(AsItself()); }

Task<void> SomebodyElse() {
  Fixture f;
  f.policy.instead = kServerId;
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().detail ==
        "the CA's answer is for spiffe://cluster.local/ns/shop/sa/reviews instead of "
        "spiffe://cluster.local/ns/shop/sa/web");
  co_await f.End();
}

TEST_CASE("a certificate for somebody else is refused") { aquifer::test::Run(SomebodyElse()); }

Task<void> BadRoots() {
  Fixture f;
  f.options.roots = test::OtherCa().roots()->pem();
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().error.reason == Reason::kTlsFailed);
  CHECK(f.policy.authorization.empty());  // the token was not shown to a stranger
  co_await f.End();
}

TEST_CASE("the token is not shown to a server that the roots do not know") {
  aquifer::test::Run(BadRoots());
}

Task<void> BadName() {
  Fixture f;
  f.options.host_name = "other.svc";
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().error.reason == Reason::kIdentityMismatch);
  f.options.host_name = "istiod.istio-system.svc";
  const auto named = co_await f.Fetch(kClientId);
  CHECK(named.ok());
  co_await f.End();
}

TEST_CASE("the server must be who the address or the alternative name says") {
  aquifer::test::Run(BadName());
}

Task<void> Unreachable() {
  Fixture f;
  f.options.address = "127.0.0.1:1";
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().error.reason == Reason::kConnectRefused);
  CHECK(bundle.error().detail.find("127.0.0.1:1") != std::string::npos);
  co_await f.End();
}

TEST_CASE("an unreachable CA is named") { aquifer::test::Run(Unreachable()); }

Task<void> NoRoots() {
  Fixture f;
  f.options.roots = "/nonexistent/root-cert.pem";
  const auto bundle = co_await f.Fetch(kClientId);
  REQUIRE(!bundle.ok());
  CHECK(bundle.error().detail.find("/nonexistent/root-cert.pem") != std::string::npos);
  co_await f.End();
}

TEST_CASE("a missing file of roots is named") { aquifer::test::Run(NoRoots()); }

struct RootsFile {
  RootsFile() { REQUIRE(::mkdtemp(directory.data()) != nullptr); }
  ~RootsFile() { std::filesystem::remove_all(directory); }
  std::string path() const { return directory + "/root-cert.pem"; }
  void Write(const test::TestCa& ca) const {
    REQUIRE(WriteFileWhole(path(), ca.roots()->pem(), 0600).ok());
  }
  std::string directory = "/tmp/aquifer-roots-XXXXXX";
};

Task<void> RotatesRoots() {
  Fixture f;
  const RootsFile roots;
  roots.Write(SharedCa());
  f.options.roots = roots.path();
  Channel open(f.options, [] { return kNow; });
  CaClient client(open);
  CHECK((co_await client.Fetch(kClientId, StopToken())).ok());
  // The file goes first: what is open goes on, and who dials now trusts the new root only.
  roots.Write(test::OtherCa());
  CHECK((co_await client.Fetch(kClientId, StopToken())).ok());
  CHECK(f.connections == 1);
  const auto refused = co_await f.Fetch(kClientId);
  CHECK(refused.error().error.reason == Reason::kTlsFailed);
  // Then the server: the same client, connected anew.
  f.context = TlsContext::HostServer(test::OtherCa().ServerBundle("istiod.istio-system.svc"),
                                     PeerCertificate::kNone);
  CHECK((co_await f.Fetch(kClientId)).ok());
  co_await open.Shutdown();
  co_await f.End();
}

TEST_CASE("a rewritten file of roots counts for new connections and leaves open ones alone") {
  aquifer::test::Run(RotatesRoots());
}

Task<void> ShowsItsOwn() {
  Fixture f;
  f.context = TlsContext::HostServer(SharedCa().ServerBundle("istiod.istio-system.svc"),
                                     PeerCertificate::kRequired);
  f.clients = OneOf{{kClientId}};
  CHECK(!(co_await f.Fetch(kClientId)).ok());
  const CertificateBundle own = SharedCa().Bundle(kClientId);
  f.options.certificate = own.ChainPem();
  f.options.key = own.key().ToPem();
  CHECK((co_await f.Fetch(kClientId)).ok());
  f.options.key = PrivateKey::Generate().ToPem();
  const auto refused = co_await f.Fetch(kClientId);
  REQUIRE(!refused.ok());
  CHECK(refused.error().detail.find("our certificate") != std::string::npos);
  co_await f.End();
}

TEST_CASE("a server that asks for a certificate gets ours") { aquifer::test::Run(ShowsItsOwn()); }

Task<void> DialsAfterDrop() {
  Fixture f;
  Channel channel(f.options, [] { return kNow; });
  CaClient client(channel);
  CHECK((co_await client.Fetch(kClientId, StopToken())).ok());
  channel.Drop();
  CHECK((co_await client.Fetch(kClientId, StopToken())).ok());
  CHECK(f.connections == 2);
  co_await channel.Shutdown();
  co_await f.End();
}

TEST_CASE("a connection that was dropped is dialled anew") { aquifer::test::Run(DialsAfterDrop()); }

Task<void> FetchInto(CaClient& client, Identity identity, int& good) {
  const auto bundle = co_await client.Fetch(identity, StopToken());
  if (bundle.ok() && bundle->identity() == identity) ++good;
}

Task<void> ManyAtOnce() {
  Fixture f;
  Channel channel(f.options, [] { return kNow; });
  CaClient client(channel);
  int good = 0;
  Scope scope;
  for (int i = 0; i < 8; ++i) {
    Identity identity{"cluster.local", "shop", "sa" + std::to_string(i)};
    scope.Spawn(FetchInto(client, std::move(identity), good));
  }
  co_await scope.Join();
  CHECK(good == 8);
  CHECK(f.connections == 1);
  co_await channel.Shutdown();
  co_await f.End();
}

TEST_CASE("requests at the same time share a connection") { aquifer::test::Run(ManyAtOnce()); }

Task<void> FailTogether() {
  Fixture f;
  f.options.roots = test::OtherCa().roots()->pem();
  Channel channel(f.options, [] { return kNow; });
  CaClient client(channel);
  int good = 0;
  Scope scope;
  for (int i = 0; i < 8; ++i) scope.Spawn(FetchInto(client, kClientId, good));
  co_await scope.Join();
  CHECK(good == 0);
  CHECK(f.connections == 1);
  co_await channel.Shutdown();
  co_await f.End();
}

TEST_CASE("a failed dial fails everyone who waited for it, once") {
  aquifer::test::Run(FailTogether());
}

Task<void> SignsLocally() {
  LocalAuthority authority(LocalCa::Create("cluster.local", kNow), kDay, [] { return kNow; });
  const auto bundle = co_await authority.Fetch(kClientId, StopToken());
  REQUIRE(bundle.ok());
  CHECK(bundle->identity() == kClientId);
  const auto refused = co_await authority.Fetch(Identity{"Bad Domain", "a", "b"}, StopToken());
  CHECK(!refused.ok());
}

TEST_CASE("a local CA signs without a connection") { aquifer::test::Run(SignsLocally()); }

}  // namespace
}  // namespace aquifer::certs
