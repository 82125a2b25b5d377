#include "waypoint/route_index.h"

#include "tests/support/catch.h"
#include "tests/unit/waypoint/route_text.h"

namespace aquifer::waypoint {
namespace {

using test::BackendOf;
using test::Request;
using test::RouteOf;
using test::To;

const ServiceRef kReviews80{"app", "reviews.app.svc.cluster.local", 80};
const ServiceRef kReviews8080{"app", "reviews.app.svc.cluster.local", 8080};
const ServiceRef kOther80{"app", "other.app.svc.cluster.local", 80};

std::string ServiceParent(int port) {
  return R"(parents { service { namespace: "app" hostname: "reviews.app.svc.cluster.local" port: )" +
         std::to_string(port) + " } } ";
}
std::string Rule(const std::string& path, const std::string& backend) {
  return R"(rules { matches { path { type: MATCH_TYPE_PREFIX value: ")" + path + R"(" } } )" +
         To(backend) + " } ";
}

std::string Ask(const RouteIndex& index, const ServiceRef& service, const std::string& client,
                const std::string& path = "/") {
  const RouteTable* const table = index.ForService(service, client);
  if (table == nullptr) return "no routes";
  const auto input = Request().Path(path).Finish();
  return BackendOf(table->Find(input->view).rule);
}

TEST_CASE("a parent with a port takes that port, one without takes all, and both merge") {
  const RouteIndex index(test::TestGateway(),
                         {RouteOf(R"(name: "all" )" + ServiceParent(0) + Rule("/", "all")),
                          RouteOf(R"(name: "one" )" + ServiceParent(8080) + Rule("/a", "one"))});
  CHECK(Ask(index, kReviews80, "x", "/a") == "all");
  CHECK(Ask(index, kReviews8080, "x", "/a") == "one");
  CHECK(Ask(index, kReviews8080, "x", "/b") == "all");
  CHECK(Ask(index, kOther80, "x") == "no routes");
}

TEST_CASE("a port without routes passes although another port of the service has some") {
  const RouteIndex index(test::TestGateway(), {RouteOf(ServiceParent(8080) + Rule("/a", "one"))});
  CHECK(Ask(index, kReviews80, "x") == "no routes");
  CHECK(Ask(index, kReviews8080, "x", "/b") == "none");
}

TEST_CASE("a consumer's routes replace the producer's for clients of their namespace") {
  const RouteIndex index(
      test::TestGateway(),
      {RouteOf(R"(name: "producer" )" + ServiceParent(0) + Rule("/", "producer")),
       RouteOf(R"(namespace: "consumer" name: "c" )" + ServiceParent(0) + Rule("/c", "consumer"))});
  CHECK(Ask(index, kReviews80, "elsewhere", "/c") == "producer");
  CHECK(Ask(index, kReviews80, "consumer", "/c") == "consumer");
  CHECK(Ask(index, kReviews80, "consumer", "/d") == "none");
}

TEST_CASE("a consumer's routes alone leave everybody else without routes") {
  const RouteIndex index(test::TestGateway(), {RouteOf(R"(namespace: "consumer" )" +
                                                       ServiceParent(0) + Rule("/", "consumer"))});
  CHECK(Ask(index, kReviews80, "elsewhere") == "no routes");
  CHECK(Ask(index, kReviews80, "") == "no routes");
  CHECK(Ask(index, kReviews80, "consumer") == "consumer");
}

TEST_CASE("a route in the waypoint's namespace acts for all clients") {
  Gateway gateway = test::TestGateway();
  gateway.name.ns = "infra";
  const RouteIndex index(
      gateway, {RouteOf(R"(namespace: "infra" )" + ServiceParent(0) + Rule("/", "infra"))});
  CHECK(Ask(index, kReviews80, "elsewhere") == "infra");
}

Gateway GatewayWith(const std::vector<std::pair<std::string, std::string>>& listeners) {
  Gateway gateway = test::TestGateway();
  gateway.name = {"infra", "gateway"};
  gateway.is_waypoint = false;
  for (const auto& [name, hostname] : listeners) {
    gateway.listeners.push_back(
        {.name = name, .port = 80, .protocol = ListenerProtocol::kHttp, .hostname = hostname});
  }
  return gateway;
}
std::string ListenerParent(const std::string& listener) {
  return R"(parents { listener { namespace: "infra" name: "gateway" listener: ")" + listener +
         R"(" } } )";
}
std::string Ask(const RouteIndex& index, const std::string& host, const std::string& path = "/",
                std::uint16_t port = 80) {
  const auto input = Request().Host(host).Path(path).Finish();
  return BackendOf(index.ForListener(port, input->view).rule);
}

TEST_CASE("a listener's wildcard covers many labels and not the bare domain") {
  const RouteIndex index(
      GatewayWith({{"l", "*.aliyun.com"}}),
      {RouteOf(R"(hostnames: "*.aliyun.com" )" + ListenerParent("l") + Rule("/", "httpbin"))});
  CHECK(Ask(index, "httpbin.aliyun.com") == "httpbin");
  CHECK(Ask(index, "a.b.Aliyun.COM:8080") == "httpbin");
  CHECK(Ask(index, "aliyun.com") == "none");
  CHECK(Ask(index, "evilaliyun.com") == "none");
  CHECK(Ask(index, "") == "none");
  CHECK(Ask(index, "httpbin.aliyun.com", "/", 81) == "none");
}

TEST_CASE("the most specific listener owns a host even where it has no route") {
  const RouteIndex index(
      GatewayWith({{"any", ""},
                   {"wide", "*.example.com"},
                   {"narrow", "*.foo.example.com"},
                   {"exact", "abc.foo.example.com"}}),
      {RouteOf(R"(name: "a" )" + ListenerParent("any") + Rule("/any", "any")),
       RouteOf(R"(name: "b" )" + ListenerParent("wide") + Rule("/wide", "wide")),
       RouteOf(R"(name: "c" )" + ListenerParent("narrow") + Rule("/narrow", "narrow")),
       RouteOf(R"(name: "d" )" + ListenerParent("exact") + Rule("/exact", "exact"))});
  CHECK(Ask(index, "bar.com", "/any") == "any");
  CHECK(Ask(index, "bar.example.com", "/wide") == "wide");
  CHECK(Ask(index, "bar.example.com", "/any") == "none");
  CHECK(Ask(index, "bar.foo.example.com", "/narrow") == "narrow");
  CHECK(Ask(index, "bar.foo.example.com", "/wide") == "none");
  CHECK(Ask(index, "abc.foo.example.com", "/exact") == "exact");
  CHECK(Ask(index, "abc.foo.example.com", "/narrow") == "none");
}

TEST_CASE(
    "the route with the more specific host name is asked first, and passes on what it lacks") {
  const RouteIndex index(
      GatewayWith({{"l", ""}}),
      {RouteOf(R"(name: "any" creation_seconds: 1 )" + ListenerParent("l") +
               Rule("/long/path", "any")),
       RouteOf(R"(name: "wide" hostnames: "*.com" )" + ListenerParent("l") + Rule("/", "wide")),
       RouteOf(R"(name: "mid" hostnames: "*.b.com" )" + ListenerParent("l") + Rule("/m", "mid")),
       RouteOf(R"(name: "exact" hostnames: "a.b.com" )" + ListenerParent("l") +
               Rule("/e", "exact"))});
  CHECK(Ask(index, "a.b.com", "/e") == "exact");
  CHECK(Ask(index, "a.b.com", "/m") == "mid");
  CHECK(Ask(index, "a.b.com", "/long/path") == "wide");
  CHECK(Ask(index, "other.org", "/long/path") == "any");
  CHECK(Ask(index, "other.org", "/") == "none");
}

TEST_CASE("a route is served only on the listener it is attached to") {
  const RouteIndex index(GatewayWith({{"a", "a.com"}, {"b", "b.com"}}),
                         {RouteOf(ListenerParent("a") + Rule("/", "only-a"))});
  CHECK(Ask(index, "a.com") == "only-a");
  CHECK(Ask(index, "b.com") == "none");
}

}  // namespace
}  // namespace aquifer::waypoint
