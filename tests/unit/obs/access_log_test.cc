#include "core/obs/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

using namespace std::chrono_literals;

// What `write` logs, without the time.
template <class F>
std::string Logged(LogFormat format, Level level, F write) {
  std::array<int, 2> fds{};
  REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0);
  const UniqueFd reader(fds[0]);
  UniqueFd writer(fds[1]);
  {
    LoggerOptions options;
    options.format = format;
    options.levels = LevelFilter(level);
    options.clock = [] { return std::chrono::system_clock::time_point{}; };
    options.writer.fd = writer.get();
    options.writer.flush_timeout = 60s;
    Logger log(std::move(options));
    write(log);
  }
  writer.Reset();
  std::string text(8192, ' ');
  const ssize_t length = ::read(reader.get(), text.data(), text.size());
  REQUIRE(length >= 0);
  text.resize(static_cast<size_t>(length));
  return text;
}

AccessEntry Full() {
  return {.source = {.address = *Address::Parse("10.0.0.1:40000"),
                     .workload = "curl-1",
                     .workload_namespace = "default",
                     .identity = "spiffe://cluster.local/ns/default/sa/curl",
                     .cluster = "Kubernetes"},
          .destination = {.address = *Address::Parse("10.0.1.2:15008"),
                          .workload = "reviews-1",
                          .workload_namespace = "shop",
                          .identity = "spiffe://cluster.local/ns/shop/sa/reviews",
                          .cluster = "Kubernetes"},
          .hbone_target = "10.0.1.2:9080",
          .service = "reviews.shop.svc.cluster.local",
          .direction = Direction::kOutbound,
          .client_to_server_bytes = 11,
          .server_to_client_bytes = 22,
          .duration = 123ms};
}

TEST_CASE("a complete connection names everything in the order of the node proxy") {
  CHECK(Logged(LogFormat::kText, Level::kInfo,
               [](Logger& log) { LogConnectionComplete(log, Full()); }) ==
        "1970-01-01T00:00:00.000000Z\tinfo\taccess\tconnection complete\t"
        "src.addr=10.0.0.1:40000 src.workload=\"curl-1\" src.namespace=\"default\" "
        "src.identity=\"spiffe://cluster.local/ns/default/sa/curl\" src.cluster=\"Kubernetes\" "
        "dst.addr=10.0.1.2:15008 dst.hbone_addr=10.0.1.2:9080 "
        "dst.service=\"reviews.shop.svc.cluster.local\" "
        "dst.workload=\"reviews-1\" dst.namespace=\"shop\" "
        "dst.identity=\"spiffe://cluster.local/ns/shop/sa/reviews\" dst.cluster=\"Kubernetes\" "
        "direction=\"outbound\" bytes_sent=11 bytes_recv=22 duration=\"123ms\"\n");
}

TEST_CASE("JSON has the same names and numbers as numbers") {
  const std::string line = Logged(LogFormat::kJson, Level::kInfo,
                                  [](Logger& log) { LogConnectionComplete(log, Full()); });
  const auto object = nlohmann::ordered_json::parse(line);
  std::string keys;
  for (const auto& [key, value] : object.items()) keys += key + " ";
  CHECK(keys ==
        "level time scope message src.addr src.workload src.namespace src.identity src.cluster "
        "dst.addr dst.hbone_addr "
        "dst.service dst.workload dst.namespace dst.identity dst.cluster direction bytes_sent "
        "bytes_recv duration ");
  CHECK(object["bytes_sent"] == 11);
  CHECK(object["duration"] == "123ms");
}

TEST_CASE("an inbound line counts bytes as the captured server sees them") {
  AccessEntry entry = Full();
  entry.direction = Direction::kInbound;
  const std::string line = Logged(LogFormat::kText, Level::kInfo,
                                  [&](Logger& log) { LogConnectionComplete(log, entry); });
  CHECK(line.find("direction=\"inbound\" bytes_sent=22 bytes_recv=11 ") != line.npos);
}

TEST_CASE("what is not known is left out") {
  const AccessEntry entry{.source = {.address = *Address::Parse("10.0.0.1:1")},
                          .destination = {.address = *Address::Parse("[fd00::1]:2")}};
  CHECK(Logged(LogFormat::kText, Level::kInfo,
               [&](Logger& log) { LogConnectionComplete(log, entry); }) ==
        "1970-01-01T00:00:00.000000Z\tinfo\taccess\tconnection complete\t"
        "src.addr=10.0.0.1:1 dst.addr=[fd00::1]:2 direction=\"outbound\" bytes_sent=0 bytes_recv=0 "
        "duration=\"0ms\"\n");
}

TEST_CASE("a connection that failed is complete too, at error with the error last") {
  AccessEntry entry = Full();
  entry.error = "connection refused";
  const std::string line = Logged(LogFormat::kText, Level::kError,
                                  [&](Logger& log) { LogConnectionComplete(log, entry); });
  CHECK(line.find("Z\terror\taccess\tconnection complete\tsrc.addr=") != line.npos);
  CHECK(line.ends_with(" duration=\"123ms\" error=\"connection refused\"\n"));
}

TEST_CASE("an opened connection is told at debug, without what is not known yet") {
  const std::string line = Logged(LogFormat::kText, Level::kDebug,
                                  [](Logger& log) { LogConnectionOpened(log, Full()); });
  CHECK(line.find("Z\tdebug\taccess\tconnection opened\tsrc.addr=") != line.npos);
  CHECK(line.ends_with(" dst.cluster=\"Kubernetes\" direction=\"outbound\"\n"));
  CHECK(Logged(LogFormat::kText, Level::kInfo, [](Logger& log) {
          LogConnectionOpened(log, Full());
        }).empty());
}

TEST_CASE("an early refusal has addresses, direction and error alone") {
  AccessEntry entry = Full();
  entry.error = "a loop";
  RateLimiter limiter(1);
  CHECK(
      Logged(LogFormat::kText, Level::kWarn,
             [&](Logger& log) { LogConnectionFailed(log, limiter, entry); }) ==
      "1970-01-01T00:00:00.000000Z\twarn\taccess\tconnection failed\t"
      "src.addr=10.0.0.1:40000 dst.addr=10.0.1.2:15008 direction=\"outbound\" error=\"a loop\"\n");
}

TEST_CASE("a CONNECT authority cannot forge fields") {
  AccessEntry entry = Full();
  entry.hbone_target = "a:1 dst.identity=\"x\"";
  const std::string line = Logged(LogFormat::kText, Level::kInfo,
                                  [&](Logger& log) { LogConnectionComplete(log, entry); });
  CHECK(line.find("dst.hbone_addr=\"a:1 dst.identity=\\\"x\\\"\" dst.service=") != line.npos);
}

}  // namespace
}  // namespace aquifer::obs
