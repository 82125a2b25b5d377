#include "core/app/logging_page.h"

#include "tests/support/catch.h"

namespace aquifer::app {
namespace {

struct Page {
  http::Response Get() { return LoggingPage(log, initial, RequestOf("GET", "/logging")); }
  http::Response Post(const std::string& query) {
    return LoggingPage(log, initial, RequestOf("POST", "/logging" + query));
  }
  static http::Request RequestOf(std::string method, std::string path) {
    http::Request request;
    request.head.method = std::move(method);
    request.head.path = std::move(path);
    return request;
  }

  const obs::LevelFilter initial = *obs::LevelFilter::Parse("warn,xds=debug");
  obs::Logger log{{.levels = initial, .writer = {.fd = -1}}};
};

}  // namespace

TEST_CASE("the logging page shows the present levels") {
  Page page;
  const http::Response shown = page.Get();
  CHECK(shown.status == 200);
  CHECK(shown.body.find("current log level is warn,xds=debug\n") != std::string::npos);
}

TEST_CASE("the logging page sets levels for all or for one scope, and takes them back") {
  Page page;
  CHECK(page.Post("?level=debug").status == 200);
  CHECK(page.Post("?level=").body == "current log level is debug\n");
  CHECK(page.log.levels().ToString() == "debug");
  CHECK(page.Post("?level=info,hbone=trace").status == 200);
  CHECK(page.log.levels().ToString() == "info,hbone=trace");
  CHECK(page.Post("?reset").status == 200);
  CHECK(page.log.levels() == page.initial);
  CHECK(page.Post("?reset&level=hbone:off").body == "current log level is info,hbone=off\n");
}

TEST_CASE("an order without a level changes nothing and tells what is written") {
  Page page;
  CHECK(page.Post("").body == "current log level is warn,xds=debug\n");
  CHECK(page.Post("?").status == 200);
  CHECK(page.log.levels() == page.initial);
}

TEST_CASE("what is no level changes nothing") {
  Page page;
  for (const char* query : {"?level=xds=loud", "?level=loud", "?loud", "?resets", "?reset&loud"}) {
    INFO(query);
    const http::Response refused = page.Post(query);
    CHECK(refused.status == 400);
    CHECK(refused.body.starts_with("not a level: "));
    CHECK(page.log.levels() == page.initial);
  }
}

}  // namespace aquifer::app
