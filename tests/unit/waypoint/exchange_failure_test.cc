// What an exchange makes of backends that fail, are slow, or are gone.
#include "tests/unit/waypoint/exchange_world.h"
#include "waypoint/exchange.h"

namespace aquifer::waypoint {
namespace {

using test::Answer;
using test::kGet;
using test::kOk;
using test::RouteTo;
using test::ToHttpbin;
using test::World;

TEST_CASE("a backend that is refused is tried again, and three times at most") {
  World* world = nullptr;
  std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {kOk};
        w.httpbin().refuse = 2;
      },
      kGet, 0, &world);
  CHECK(got.starts_with("HTTP/1.1 200 OK"));
  CHECK(world->httpbin().connections == 3);
  delete world;

  got = Answer([](World& w) { w.httpbin().refuse = 99; }, kGet, 0, &world);
  CHECK(got.starts_with("HTTP/1.1 503 Service Unavailable"));
  CHECK(
      got.ends_with("upstream connect error or disconnect/reset before headers. retried and the "
                    "latest reset reason: remote connection failure"));
  CHECK(world->httpbin().connections == 3);
  CHECK(world->records.at(0).flags == "UF,URX");
  delete world;
}

TEST_CASE("a service without endpoints answers no healthy upstream") {
  const std::string got = Answer([](World& w) { w.backends.none_healthy = true; }, kGet);
  CHECK(got.starts_with("HTTP/1.1 503 Service Unavailable"));
  CHECK(got.ends_with("\r\n\r\nno healthy upstream"));
}

TEST_CASE("a connection that the backend closed meanwhile costs a second try and no error") {
  World* world = nullptr;
  const std::string got = Answer([](World& w) { w.httpbin().answers = {kOk, "!", kOk}; },
                                 std::string(kGet) + kGet, 0, &world);
  CHECK(got.find("503") == std::string::npos);
  CHECK(world->httpbin().connections == 2);
  CHECK(world->backends.last.fresh);
  delete world;
}

TEST_CASE("a request that must not be sent twice is not") {
  World* world = nullptr;
  const std::string got = Answer(
      [](World& w) { w.httpbin().answers = {kOk, "!", kOk}; },
      std::string(kGet) + "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx", 0, &world);
  CHECK(got.find("503 Service Unavailable") != std::string::npos);
  CHECK(world->records.at(1).flags == "UC");
  delete world;
}

TEST_CASE("the request timeout of a rule answers 504") {
  const auto prepare = [](World& w) {
    w.httpbin().answers = {std::string("@1000 ") + kOk};
    w.Rule({RouteTo("rules { timeouts { request_ms: 500 } " + ToHttpbin() + "}")}, {});
  };
  World* world = nullptr;
  const std::string got = Answer(prepare, kGet, 0, &world);
  CHECK(got.starts_with("HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 24\r\n"));
  CHECK(got.ends_with("\r\n\r\nupstream request timeout"));
  CHECK(world->httpbin().received.find("x-envoy-expected-rq-timeout-ms: 500\r\n") !=
        std::string::npos);
  CHECK(world->records.at(0).flags == "UT");
  delete world;
}

TEST_CASE("the backend's timeout answers 504, and 0 means none") {
  CHECK(Answer(
            [](World& w) {
              w.httpbin().answers = {std::string("@1000 ") + kOk};
              w.Rule({RouteTo("rules { timeouts { backend_request_ms: 500 } " + ToHttpbin() + "}")},
                     {});
            },
            kGet)
            .starts_with("HTTP/1.1 504"));
  CHECK(Answer(
            [](World& w) {
              w.httpbin().answers = {std::string("@100000 ") + kOk};
              w.Rule({RouteTo("rules { timeouts { request_ms: 0 } " + ToHttpbin() + "}")}, {});
            },
            kGet)
            .starts_with("HTTP/1.1 200"));
}

TEST_CASE("a dial that takes too long answers 504 when the request's time is over") {
  const std::string got = Answer(
      [](World& w) {
        w.backends.silent = true;
        w.Rule({RouteTo("rules { timeouts { request_ms: 500 } " + ToHttpbin() + "}")}, {});
      },
      kGet);
  CHECK(got.starts_with("HTTP/1.1 504"));
}

TEST_CASE("a retry policy tries again on its codes and gives the last answer") {
  constexpr const char* kBusy = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
  const auto prepare = [](int attempts) {
    return [attempts](World& w) {
      w.httpbin().answers = {kBusy, kBusy, kOk};
      w.Rule({RouteTo("rules { retry { attempts: " + std::to_string(attempts) + " codes: 503 } " +
                      ToHttpbin() + "}")},
             {});
    };
  };
  CHECK(Answer(prepare(2), kGet).starts_with("HTTP/1.1 200"));
  CHECK(Answer(prepare(1), kGet).ends_with("busy"));
  CHECK(Answer(prepare(0), kGet).ends_with("busy"));
}

TEST_CASE("a retry policy's backoff passes before every further try, the first one too") {
  constexpr const char* kBusy = "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
  const auto duration = [&](const std::vector<std::string>& answers) {
    World* world = nullptr;
    Answer(
        [&](World& w) {
          w.httpbin().answers = answers;
          w.Rule({RouteTo("rules { retry { attempts: 2 codes: 503 backoff_ms: 1000 } " +
                          ToHttpbin() + "}")},
                 {});
        },
        kGet, 0, &world);
    const std::chrono::milliseconds took = world->records.at(0).duration;
    delete world;
    return took;
  };
  CHECK(duration({kOk}) < std::chrono::milliseconds(1000));
  CHECK(duration({kBusy, kOk}) >= std::chrono::milliseconds(1000));
  CHECK(duration({kBusy, kOk}) < std::chrono::milliseconds(2000));
  CHECK(duration({kBusy, kBusy, kOk}) >= std::chrono::milliseconds(2000));
}

TEST_CASE("the longest grpc-timeout that can be written is a deadline like others") {
  const std::string got =
      Answer([](World& w) { w.httpbin().answers = {kOk}; },
             "POST /pkg.Service/Method HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n"
             "grpc-timeout: 99999999H\r\ncontent-length: 0\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 200 OK"));
  CHECK(got.find("grpc-status") == std::string::npos);
}

TEST_CASE("a backend's own 503 is handed on where nothing says retry") {
  World* world = nullptr;
  const std::string got = Answer(
      [](World& w) { w.httpbin().answers = {"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n", kOk}; },
      kGet, 0, &world);
  CHECK(got.starts_with("HTTP/1.1 503"));
  CHECK(world->httpbin().connections == 1);
  delete world;
}

TEST_CASE("a response that breaks off breaks the client's connection off") {
  const std::string got = Answer(
      [](World& w) {
        w.httpbin().answers = {"->HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"};
      },
      kGet);
  CHECK(got.find("abc") != std::string::npos);
  CHECK(got.ends_with("<reset>"));
}

TEST_CASE("a response that ends with the connection arrives whole") {
  const std::string got = Answer(
      [](World& w) { w.httpbin().answers = {"->HTTP/1.1 200 OK\r\n\r\nuntil close"}; }, kGet);
  CHECK(got.find("transfer-encoding: chunked\r\n\r\nb\r\nuntil close\r\n0\r\n\r\n") !=
        std::string::npos);
}

TEST_CASE("a connection that its backend has closed is not used again") {
  World* world = nullptr;
  const std::string post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx";
  const std::string got =
      Answer([](World& w) { w.httpbin().answers = {"->" + std::string(kOk), kOk, kOk}; },
             post + post + post, 0, &world);
  CHECK(got.find("503") == std::string::npos);
  CHECK(world->records.size() == 3);
  CHECK(world->httpbin().connections == 2);
  CHECK(world->pool.idle() == 0);
  delete world;
}

}  // namespace
}  // namespace aquifer::waypoint
