#include "waypoint/exchange.h"

#include "tests/unit/waypoint/exchange_world.h"

namespace aquifer::waypoint {
namespace {

using test::Answer;
using test::kGet;
using test::kOk;
using test::RouteOf;
using test::RouteTo;
using test::ToHttpbin;
using test::World;

constexpr const char* kDenied =
    "HTTP/1.1 403 Forbidden\r\ncontent-length: 19\r\ncontent-type: text/plain\r\n"
    "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: istio-envoy\r\n\r\nRBAC: access denied";

void DenyTeapot(World& world) {
  world.httpbin().answers = {kOk, kOk, kOk};
  world.Rule({}, {test::Deny({test::RuleOf(R"(to { paths: "/status/418" })")})});
}

TEST_CASE("a request goes to the service and the response comes back marked") {
  std::string sent;
  const std::string got = Answer([](World& world) { world.httpbin().answers = {kOk}; }, kGet);
  CHECK(got ==
        "HTTP/1.1 200 OK\r\nserver: istio-envoy\r\ncontent-length: 2\r\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-envoy-upstream-service-time: 0\r\n\r\nhi");
}

TEST_CASE("a denial has its bytes on the wire, and the connection goes on") {
  const std::string got = Answer(DenyTeapot,
                                 "GET /status/418 HTTP/1.1\r\nhost: a\r\n\r\n"
                                 "GET /status/418 HTTP/1.1\r\nhost: a\r\n\r\n");
  CHECK(got == std::string(kDenied) + kDenied);
}

TEST_CASE("no spelling of a denied path gets through") {
  for (const char* const path :
       {"/status/418?x", "/%73tatus/418", "/foo/../status/418", "/foo/%2e%2e/status/418",
        "/status\\418", "/./status/418", "/status/./418", "http://b.com/status/418",
        "/status/418?/../x", "/x/..\\status/418", "/status/41%38"}) {
    INFO(path);
    const std::string got =
        Answer(DenyTeapot, "GET " + std::string(path) + " HTTP/1.1\r\nhost: a\r\n\r\n");
    CHECK(got == kDenied);
  }
}

TEST_CASE("a denied HEAD has the fields and no body") {
  const std::string got = Answer(DenyTeapot, "HEAD /status/418 HTTP/1.1\r\nhost: a\r\n\r\n");
  const std::string whole(kDenied);
  CHECK(got == whole.substr(0, whole.size() - 19));
}

TEST_CASE("a denied request with a body is answered and the connection closed") {
  const std::string got =
      Answer(DenyTeapot, "POST /status/418 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc" +
                             std::string(kGet));
  CHECK(got ==
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 19\r\ncontent-type: text/plain\r\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: istio-envoy\r\nconnection: close\r\n\r\n"
        "RBAC: access denied");
}

TEST_CASE("a NUL in a path is answered 400 and reaches nobody") {
  World* world = nullptr;
  const std::string got = Answer(DenyTeapot, "GET /a%00 HTTP/1.1\r\nhost: a\r\n\r\n", 0, &world);
  CHECK(got.starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(world->httpbin().received.empty());
  delete world;
}

TEST_CASE("the backend sees the normalized path and no hop-by-hop fields") {
  World* world = nullptr;
  Answer([](World& w) { w.httpbin().answers = {kOk}; },
         "GET /x/../%67et?a=%67 HTTP/1.1\r\nhost: httpbin\r\nconnection: keep-alive, x-hop\r\n"
         "x-hop: 1\r\nx-keep: 2\r\nx-request-id: mine\r\nX-Forwarded-Client-Cert: forged\r\n\r\n",
         0, &world);
  CHECK(world->httpbin().received ==
        "GET /get?a=%67 HTTP/1.1\r\nhost: httpbin\r\nx-keep: 2\r\nx-request-id: mine\r\n"
        "x-forwarded-proto: http\r\n\r\n");
  delete world;
}

TEST_CASE("a path is denied in either case of its escapes, and else goes on as it was written") {
  for (const char* const rule : {"to { paths: '/admin/%c3%a9*' }", "to { paths: '/admin/%C3%A9' }",
                                 "to { paths: '/{*}/%c3%A9' }",
                                 "when { key: 'request.headers[:path]' values: '*%c3%a9' }"}) {
    for (const char* const path : {"/admin/%C3%A9", "/admin/%c3%a9", "/admin/%c3%A9"}) {
      INFO(rule << " " << path);
      const auto deny = [&](World& w) {
        w.httpbin().answers = {kOk};
        w.Rule({}, {test::Deny({test::RuleOf(rule)})});
      };
      CHECK(Answer(deny, "GET " + std::string(path) + " HTTP/1.1\r\nhost: a\r\n\r\n") == kDenied);
      World* world = nullptr;
      Answer(deny, "GET /other" + std::string(path) + "x HTTP/1.1\r\nhost: a\r\n\r\n", 0, &world);
      CHECK(world->httpbin().received.starts_with("GET /other" + std::string(path) + "x "));
      delete world;
    }
  }
}

TEST_CASE("two requests of one client use one connection to the backend") {
  World* world = nullptr;
  Answer([](World& w) { w.httpbin().answers = {kOk, kOk}; }, std::string(kGet) + kGet, 0, &world);
  CHECK(world->httpbin().connections == 1);
  CHECK(world->records.size() == 2);
  delete world;
}

TEST_CASE("bodies stream in both directions, byte by byte too") {
  const std::string body(5000, 'x');
  for (const size_t drip : {size_t{0}, size_t{1}, size_t{7}, size_t{1000}}) {
    INFO("drip " << drip);
    World* world = nullptr;
    const std::string got = Answer(
        [&](World& w) {
          w.httpbin().answers = {
              "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
              "5\r\nhello\r\n0\r\nx-trailer: t\r\n\r\n"};
        },
        "POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n" + body, drip, &world);
    CHECK(world->httpbin().received.ends_with("\r\n\r\n" + body));
    if (drip == 0) {
      CHECK(got.find("5\r\nhello\r\n0\r\n") != std::string::npos);
    }
    CHECK(got.find("x-trailer: t") != std::string::npos);
    CHECK(world->records.at(0).request_bytes == 5000);
    CHECK(world->records.at(0).response_bytes == 5);
    delete world;
  }
}

TEST_CASE("a chunked request arrives chunked, with its trailers") {
  World* world = nullptr;
  Answer([](World& w) { w.httpbin().answers = {kOk}; },
         "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n",
         0, &world);
  CHECK(world->httpbin().received.find("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
                                       "x-sum: 1\r\n\r\n") != std::string::npos);
  delete world;
}

TEST_CASE("a client that waits for it is told to continue") {
  World* world = nullptr;
  const std::string got = Answer([](World& w) { w.httpbin().answers = {kOk}; },
                                 "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                                 "content-length: 3\r\n\r\nabc",
                                 0, &world);
  CHECK(got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  CHECK(world->httpbin().received.find("expect") == std::string::npos);
  delete world;
}

TEST_CASE("routes without a match answer 404 with an empty body") {
  const std::string got = Answer(
      [](World& w) {
        w.Rule({RouteTo(R"(rules { matches { path { type: MATCH_TYPE_EXACT value: "/only" } } )" +
                        ToHttpbin() + "}")},
               {});
      },
      kGet);
  CHECK(got ==
        "HTTP/1.1 404 Not Found\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "server: istio-envoy\r\ncontent-length: 0\r\n\r\n");
}

TEST_CASE("HTTP/1.0 is told to upgrade") {
  const std::string got = Answer([](World&) {}, "GET / HTTP/1.0\r\nhost: a\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 16\r\n"));
  CHECK(got.ends_with("\r\n\r\nUpgrade Required"));
}

TEST_CASE("a CONNECT inside the tunnel leads nowhere") {
  const std::string got = Answer([](World& w) { w.httpbin().answers = {kOk}; },
                                 "CONNECT 10.0.0.1:80 HTTP/1.1\r\nhost: 10.0.0.1:80\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 404"));
}

TEST_CASE("what is no request is answered 400 and the connection ends") {
  for (const char* const text :
       {"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0",
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "nonsense\r\n\r\n"}) {
    INFO(text);
    const std::string got = Answer([](World& w) { w.httpbin().answers = {kOk, kOk}; }, text);
    CHECK(got.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    CHECK(got.find("connection: close\r\n") != std::string::npos);
  }
}

TEST_CASE("an upgrade joins client and backend") {
  const std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {
            "->HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: "
            "upgrade\r\n\r\n"
            "from backend"};
      },
      "GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(got.find("upgrade: websocket\r\n") != std::string::npos);
  CHECK(got.ends_with("\r\n\r\nfrom backend"));
}

TEST_CASE("an upgrade to anything but WebSocket is not handed on") {
  for (const char* const protocol : {"h2c", "TLS/1.0", "foo"}) {
    World* world = nullptr;
    const std::string got =
        Answer([](World& w) { w.httpbin().answers = {kOk}; },
               "GET / HTTP/1.1\r\nhost: a\r\nupgrade: " + std::string(protocol) +
                   "\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: x\r\n\r\n",
               0, &world);
    CHECK(got.starts_with("HTTP/1.1 200"));
    CHECK(world->httpbin().received.find("upgrade") == std::string::npos);
    CHECK(world->httpbin().received.find("http2-settings") == std::string::npos);
    delete world;
  }
}

TEST_CASE("a backend that switches protocols unasked is cut off") {
  const std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nxx"};
      },
      "GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 502"));
}

TEST_CASE("a client cannot have what the proxy adds or a policy checks taken out again") {
  World* world = nullptr;
  Answer(
      [](World& w) {
        w.gateway.xfcc_include_client_identity = true;
        w.httpbin().answers = {kOk};
        w.Rule({}, {});
      },
      "GET / HTTP/1.1\r\nhost: a\r\nconnection: x-forwarded-client-cert, x-request-id\r\n\r\n", 0,
      &world);
  CHECK(world->httpbin().received.find("x-forwarded-client-cert: By=") != std::string::npos);
  CHECK(world->httpbin().received.find("x-request-id: ") != std::string::npos);
  delete world;

  const std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {kOk};
        w.Rule({}, {test::Allow({test::RuleOf(
                       R"(when { key: "request.headers[x-tenant]" values: "a" })")})});
      },
      "GET / HTTP/1.1\r\nhost: a\r\nx-tenant: a\r\nconnection: x-tenant\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 403"));
}

constexpr const char* kForgedTarget = "GET https://a.com/x HTTP/1.1\r\nhost: a.com\r\n\r\n";

void BeGateway(World& world, const std::string& rule,
               const std::vector<test::AuthorizationPolicy>& policies) {
  world.gateway.is_waypoint = false;
  world.gateway.listeners = {
      {.name = "http", .port = 8000, .protocol = ListenerProtocol::kHttp, .hostname = ""}};
  world.context.edge = Edge::kGateway;
  world.context.peer.reset();
  world.context.destination.reset();
  world.httpbin().answers = {kOk};
  world.Rule({RouteOf(R"(parents { listener { namespace: "app" name: "waypoint" listener: "http" } }
                         rules { )" +
                      rule + " }")},
             policies);
}

TEST_CASE("a gateway's client cannot claim a scheme that the listener does not speak") {
  World* world = nullptr;
  Answer([](World& w) { BeGateway(w, ToHttpbin(), {}); }, kForgedTarget, 0, &world);
  CHECK(world->httpbin().received.starts_with("GET /x HTTP/1.1\r\nhost: a.com\r\n"));
  CHECK(world->httpbin().received.find("x-forwarded-proto: http\r\n") != std::string::npos);
  delete world;
  const std::string denied = Answer(
      [](World& w) {
        BeGateway(w, ToHttpbin(),
                  {test::Allow({test::RuleOf(
                      R"(when { key: "request.headers[x-forwarded-proto]" values: "https" })")})});
      },
      kForgedTarget);
  CHECK(denied.starts_with("HTTP/1.1 403"));
  const std::string moved = Answer(
      [](World& w) { BeGateway(w, "filters { request_redirect { hostname: 'b.com' } }", {}); },
      kForgedTarget);
  CHECK(moved.find("location: http://b.com:8000/x\r\n") != std::string::npos);
}

TEST_CASE("rule filters change the request and the response") {
  World* world = nullptr;
  const std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {kOk};
        w.Rule({RouteTo(R"(rules {
            matches { path { type: MATCH_TYPE_PREFIX value: "/get" } }
            filters { request_header_modifier { set { name: "X-A" value: "1" } remove: "x-b" } }
            filters { response_header_modifier { add { name: "X-C" value: "3" } } }
            filters { url_rewrite { hostname: "new.host" path { replace_prefix_match: "/new" } } } )" +
                        ToHttpbin() + "}")},
               {});
      },
      "GET /get/x?q HTTP/1.1\r\nhost: httpbin\r\nx-b: 2\r\n\r\n", 0, &world);
  const std::string& received = world->httpbin().received;
  CHECK(received.starts_with("GET /new/x?q HTTP/1.1\r\nhost: new.host\r\n"));
  CHECK(received.find("x-a: 1\r\n") != std::string::npos);
  CHECK(received.find("x-b") == std::string::npos);
  CHECK(received.find("x-envoy-original-path: /get/x?q\r\n") != std::string::npos);
  CHECK(got.find("x-c: 3\r\n") != std::string::npos);
  delete world;
}

TEST_CASE("the waypoint vouches for its client's identity only where the Gateway asks for it") {
  World* world = nullptr;
  Answer(
      [](World& w) {
        w.gateway.xfcc_include_client_identity = true;
        w.httpbin().answers = {kOk};
        w.Rule({}, {});
      },
      "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-client-cert: URI=spiffe://evil\r\n\r\n", 0, &world);
  CHECK(world->httpbin().received.find(
            "x-forwarded-client-cert: By=spiffe://cluster.local/ns/app/sa/waypoint;"
            "URI=spiffe://cluster.local/ns/client/sa/curl\r\n") != std::string::npos);
  CHECK(world->httpbin().received.find("evil") == std::string::npos);
  delete world;
}

TEST_CASE("traffic to a pod's own address knows no routes and the gateway's policies only") {
  const std::string got = Answer(
      [](World& w) {
        w.backends.scripts["pod"].answers = {kOk};
        w.context.destination =
            Destination{.service = std::nullopt, .address = w.context.local_address};
        w.Rule({RouteTo("rules { filters { request_redirect { } } }")}, {});
      },
      kGet);
  CHECK(got.starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("what is declared of a pod's port decides how the pod is asked") {
  World* world = nullptr;
  Answer(
      [](World& w) {
        w.backends.scripts["pod"].answers = {kOk};
        w.context.destination = Destination{.service = std::nullopt,
                                            .address = w.context.local_address,
                                            .protocol = mesh::AppProtocol::kGrpc};
      },
      kGet, 0, &world);
  CHECK(world->backends.last.destination.protocol == mesh::AppProtocol::kGrpc);
  delete world;
}

TEST_CASE("every exchange is observed once, denied ones too") {
  World* world = nullptr;
  Answer(DenyTeapot, "GET /status/418 HTTP/1.1\r\nhost: a\r\n\r\n" + std::string(kGet), 0, &world);
  REQUIRE(world->records.size() == 2);
  CHECK(world->records[0].status == 403);
  CHECK(world->records[0].service == test::kHttpbin);
  CHECK(world->records[0].details ==
        "rbac_access_denied_matched_policy[ns[app]-policy[policy]-rule[0]]");
  CHECK(world->records[1].status == 200);
  delete world;
}

}  // namespace
}  // namespace aquifer::waypoint
