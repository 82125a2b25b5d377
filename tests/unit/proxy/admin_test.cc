#include "proxy/admin.h"

#include "tests/support/ask.h"
#include "tests/support/catch.h"

namespace aquifer::proxy {
namespace {

Task<std::string> EmptyDump() { co_return "{}\n"; }

struct Admin {
  http::Response Ask(std::string method, std::string path) {
    return test::Ask(handler, std::move(method), std::move(path));
  }

  obs::Logger log{{.levels = obs::LevelFilter(), .writer = {.fd = -1}}};
  int quits = 0;
  http::Server::Handler handler = AdminHandler({.program = "aquifer-test",
                                                .config_dump = &EmptyDump,
                                                .quit = [this] { ++quits; },
                                                .log = log});
};

}  // namespace

TEST_CASE("the admin server names the program and its pages") {
  Admin admin;
  CHECK(admin.Ask("GET", "/").body == "aquifer-test\n/config_dump\n/logging\n/quitquitquit\n");
  CHECK(admin.Ask("GET", "/nothing").status == 404);
}

TEST_CASE("the configuration is dumped as JSON") {
  Admin admin;
  const http::Response dump = admin.Ask("GET", "/config_dump?verbose");
  CHECK(dump.status == 200);
  CHECK(dump.body == "{}\n");
  CHECK(dump.headers.Get("content-type") == "application/json");
}

TEST_CASE("only a POST ends the program") {
  Admin admin;
  CHECK(admin.Ask("GET", "/quitquitquit").status == 405);
  CHECK(admin.quits == 0);
  CHECK(admin.Ask("POST", "/quitquitquit").status == 200);
  CHECK(admin.quits == 1);
}

TEST_CASE("log levels go back to those of the start") {
  Admin admin;
  CHECK(admin.Ask("POST", "/logging?level=debug").status == 200);
  CHECK(admin.log.levels().ToString() == "debug");
  CHECK(admin.Ask("POST", "/logging?reset").status == 200);
  CHECK(admin.log.levels().ToString() == "info");
}

}  // namespace aquifer::proxy
