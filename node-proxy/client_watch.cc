#include "node-proxy/client_watch.h"

#include <poll.h>

#include "core/rt/await.h"
#include "core/rt/timer.h"

namespace aquifer::node {
namespace {

// Most dials are over before watching is worth a system call. Also how often a client that has sent
// its FIN is looked at, for which io_uring wakes at once each time, asked or not.
constexpr auto kPatience = std::chrono::milliseconds(200);

}  // namespace

Task<void> StopWhenReset(int fd, StopSource& dial, StopToken over) {
  while (true) {
    const Status waited = co_await SleepFor(kPatience, over);
    if (!waited) co_return;
    Op op;
    op.kind = OpKind::kPoll;
    op.fd = fd;
    op.poll_events = POLLERR | POLLHUP;
    const int ready = co_await OpAwaiter(op, over);
    if (ready < 0) co_return;
    if ((static_cast<unsigned>(ready) & (POLLERR | POLLHUP)) != 0)
      co_return dial.RequestStop(Reason::kPeerReset);
  }
}

}  // namespace aquifer::node
