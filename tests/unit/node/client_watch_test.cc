#include "node-proxy/client_watch.h"

#include "tests/support/run_task.h"
#include "tests/unit/node/world.h"

namespace aquifer::node {
namespace {

using test::AcceptOne;
using test::Dial;
using test::kServerIp;
using test::ListenAt;

// A client's two ends, ours being watched for half a second: several times as long as it takes to
// look.
struct Watched {
  Task<void> Open() {
    const std::unique_ptr<io::Listener> listener = ListenAt(kServerIp);
    client = co_await Dial(listener->local());
    ours = co_await AcceptOne(*listener);
  }
  Task<void> Watch() {
    TimedStop over(StopToken(), std::chrono::milliseconds(500), Reason::kTimeout);
    co_await StopWhenReset(ours->fd(), dial, over.token());
  }
  io::SocketPtr client, ours;
  StopSource dial;
};

Task<void> Resets() {
  Watched watched;
  co_await watched.Open();
  watched.client->Reset();
  watched.client.reset();
  co_await watched.Watch();
  CHECK(watched.dial.reason() == Reason::kPeerReset);
}

TEST_CASE("a client's reset stops the dial") { aquifer::test::Run(Resets()); }

Task<void> Ends() {
  Watched watched;
  co_await watched.Open();
  CHECK((co_await watched.client->ShutdownWrite(StopToken())).ok());
  co_await watched.Watch();
  CHECK_FALSE(watched.dial.requested());
  watched.client->Reset();
  watched.client.reset();
  co_await watched.Watch();
  CHECK(watched.dial.reason() == Reason::kPeerReset);
}

TEST_CASE("a client's FIN stops no dial, a reset after it does") { aquifer::test::Run(Ends()); }

Task<void> Waits() {
  Watched watched;
  co_await watched.Open();
  co_await test::Say(*watched.client, "hello");
  co_await watched.Watch();
  CHECK_FALSE(watched.dial.requested());
}

TEST_CASE("a client that waits, and what it says, stop no dial") { aquifer::test::Run(Waits()); }

}  // namespace
}  // namespace aquifer::node
