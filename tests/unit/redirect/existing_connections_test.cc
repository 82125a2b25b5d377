#include "redirect/existing_connections.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/tcp.h>

#include <vector>

#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

TEST_CASE("a connection from before that is open stays tracked while it is silent for days") {
  for (const int state : {TCP_ESTABLISHED, TCP_CLOSE_WAIT}) {
    CHECK(TrackedAsOf(state).state == TCP_CONNTRACK_ESTABLISHED);
    CHECK(TrackedAsOf(state).seconds >= 24U * 3600U);
  }
}

TEST_CASE(
    "a connection from before that is ending, or only being opened, leaves no lasting entry") {
  const std::vector<int> states = {TCP_FIN_WAIT1, TCP_FIN_WAIT2,
                                   TCP_CLOSING,   TCP_LAST_ACK,
                                   TCP_SYN_RECV,  12};  // the last is the kernel's TCP_NEW_SYN_RECV
  for (const int state : states) {
    CHECK(TrackedAsOf(state).state != TCP_CONNTRACK_ESTABLISHED);
    CHECK(TrackedAsOf(state).seconds <= 3600U);
  }
}

TEST_CASE("the last packet of a connection from before ends its entry") {
  CHECK(TrackedAsOf(TCP_LAST_ACK).state == TCP_CONNTRACK_LAST_ACK);
  CHECK(TrackedAsOf(TCP_CLOSING).state == TCP_CONNTRACK_LAST_ACK);
}

}  // namespace
}  // namespace aquifer::redirect
