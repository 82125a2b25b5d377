#include "core/io/resolve.h"

#include <future>
#include <memory>
#include <string>

#include "core/rt/timer.h"
#include "tests/support/run_task.h"

namespace aquifer::io {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<Ip> Known(const std::string& host) {
  if (host == "web.example") return {Ip::V4(10, 0, 0, 1)};
  return {};
}

Task<void> Looks() {
  const Result<std::vector<Ip>> found = co_await ResolveBy(&Known, "web.example", StopToken());
  REQUIRE(found.ok());
  CHECK(*found == std::vector<Ip>{Ip::V4(10, 0, 0, 1)});
  const Result<std::vector<Ip>> gone = co_await ResolveBy(&Known, "gone.example", StopToken());
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().reason == Reason::kNotFound);
}

// Blocks until the test lets it go, and tells when nothing of it is left.
struct Blocked {
  struct Last {
    Last() = default;
    Last(const Last&) = delete;
    Last& operator=(const Last&) = delete;
    ~Last() { end.set_value(); }
    std::promise<void> end;
  };
  BlockingLookup Lookup() {
    const auto last = std::make_shared<Last>();
    ended = last->end.get_future();
    return [last, until = released.get_future().share()](const std::string& host) {
      until.wait();
      return Known(host);
    };
  }

  std::promise<void> released;
  std::future<void> ended;
};

Task<void> GivesUp(BlockingLookup lookup) {
  TimedStop timed(StopToken(), milliseconds(5), Reason::kTimeout);
  const Result<std::vector<Ip>> found =
      co_await ResolveBy(std::move(lookup), "web.example", timed.token());
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().reason == Reason::kTimeout);
}

}  // namespace

TEST_CASE("a name is looked up on a thread") { test::Run(Looks()); }

TEST_CASE("a look-up that blocks is left to itself at the stop, and may outlive its loop") {
  Blocked blocked;
  test::Run(GivesUp(blocked.Lookup()));
  blocked.released.set_value();
  CHECK(blocked.ended.wait_for(seconds(30)) == std::future_status::ready);
}

}  // namespace aquifer::io
