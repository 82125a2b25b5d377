#include "waypoint/mirror.h"

#include "tests/unit/waypoint/exchange_world.h"

namespace aquifer::waypoint {
namespace {

using test::Answer;
using test::World;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
constexpr const char* kGet = "GET /get?a HTTP/1.1\r\nhost: httpbin\r\n\r\n";

RoutePtr Mirrored(const std::string& share = "", const std::string& backend_filter = "") {
  const std::string to = R"(service { namespace: "app" port: 8000 hostname: ")";
  return test::RouteOf(R"(parents { service { namespace: "app" hostname: "httpbin" } } rules {
      filters { request_header_modifier { set { name: "x-rule" value: "1" } } }
      filters { request_mirror { )" +
                       share + " backend { " + to + R"(copy" } } } } backends { weight: 1 )" + to +
                       R"(httpbin" } )" + backend_filter + "} }");
}

// The world afterwards, with the route in force and both services answering.
std::unique_ptr<World> After(const std::string& sent, const RoutePtr& route,
                             const std::function<void(World&)>& prepare = {},
                             std::string* got = nullptr) {
  World* world = nullptr;
  const std::string answer = Answer(
      [&](World& w) {
        w.httpbin().answers = {kOk, kOk, kOk, kOk};
        w.backends.scripts["copy"].answers = {kOk, kOk, kOk, kOk};
        w.Rule({route}, {});
        if (prepare) prepare(w);
      },
      sent, 0, &world);
  if (got != nullptr) *got = answer;
  return std::unique_ptr<World>(world);
}

TEST_CASE("a copy has the rule's filters and not the chosen backend's") {
  const auto world = After(kGet, Mirrored("", R"(filters { request_header_modifier {
      set { name: "x-backend" value: "1" } } } )"));
  const std::string& copy = world->backends.scripts["copy"].received;
  CHECK(copy.starts_with("GET /get?a HTTP/1.1\r\nhost: httpbin\r\n"));
  CHECK(copy.find("x-rule: 1\r\n") != std::string::npos);
  CHECK(copy.find("x-backend") == std::string::npos);
  CHECK(world->httpbin().received.find("x-backend: 1\r\n") != std::string::npos);
  CHECK(world->records.size() == 1);
}

TEST_CASE("a copy has the body and the trailers") {
  const auto world = After(
      "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n",
      Mirrored());
  const std::string& copy = world->backends.scripts["copy"].received;
  CHECK(copy.find("5\r\nhello\r\n") != std::string::npos);
  CHECK(copy.find("x-sum: 42\r\n") != std::string::npos);
}

TEST_CASE("a share of nothing copies nothing, and the rest by chance") {
  const auto chance = [](World& world) {
    world.parts.random = [n = std::uint64_t{0}]() mutable { return n++; };
  };
  CHECK(After(kGet, Mirrored("numerator: 0 denominator: 100"))->backends.scripts["copy"].received ==
        "");
  const std::string sent = std::string(kGet) + kGet + kGet + kGet;
  const auto world = After(sent, Mirrored("numerator: 1 denominator: 2"), chance);
  CHECK(world->httpbin().next == 4);
  CHECK(world->backends.scripts["copy"].next > 0);
  CHECK(world->backends.scripts["copy"].next < 4);
}

TEST_CASE("a request does not suffer from its copy") {
  const std::string body(2'000'000, 'x');
  const std::string post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n" + body;
  for (const char* const trouble : {"refused", "unknown", "reset", "silent", "error"}) {
    INFO(trouble);
    std::string got;
    const auto world = After(
        post, Mirrored(),
        [&](World& w) {
          test::Script& script = w.backends.scripts["copy"];
          const std::string_view what = trouble;
          if (what == "refused") script.refuse = 9;
          if (what == "unknown") w.backends.scripts.erase("copy");
          if (what == "reset") script.answers = {"~"};
          if (what == "silent") script.answers = {"@100000 x"};
          if (what == "error") script.answers = {"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"};
        },
        &got);
    CHECK(got.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(world->httpbin().received.ends_with(body));
    CHECK(world->records.at(0).flags == "-");
  }
}

TEST_CASE("no more copies run at a time than the pool allows") {
  std::string got;
  const std::string sent = [] {
    std::string all;
    for (int i = 0; i < 300; ++i) all += kGet;
    return all;
  }();
  const auto world = After(
      sent, Mirrored(),
      [](World& w) {
        w.httpbin().answers.assign(300, kOk);
        w.backends.scripts["copy"].answers.assign(300, "@9000 x");
      },
      &got);
  CHECK(world->httpbin().next == 300);
  CHECK(world->backends.scripts["copy"].connections == 128);
}

}  // namespace
}  // namespace aquifer::waypoint
