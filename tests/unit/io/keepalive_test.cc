#include "core/io/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/base/unique_fd.h"
#include "tests/support/catch.h"

namespace aquifer::io {
namespace {

using std::chrono::seconds;

struct Socket {
  explicit Socket(const KeepAlive& keepalive) { SetTunnelOptions(fd.get(), keepalive); }
  int Get(int level, int option) const {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(fd.get(), level, option, &value, &size) == 0);
    return value;
  }
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

}  // namespace

TEST_CASE("a socket gets the probes that were asked for, and sends small writes at once") {
  const Socket socket(KeepAlive{.time = seconds(7), .interval = seconds(5), .probes = 3});
  CHECK(socket.Get(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(socket.Get(IPPROTO_TCP, TCP_KEEPIDLE) == 7);
  CHECK(socket.Get(IPPROTO_TCP, TCP_KEEPINTVL) == 5);
  CHECK(socket.Get(IPPROTO_TCP, TCP_KEEPCNT) == 3);
  CHECK(socket.Get(IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(socket.Get(IPPROTO_TCP, TCP_USER_TIMEOUT) == 0);
}

TEST_CASE("without keep-alive a socket is not probed") {
  const Socket socket(KeepAlive{.enabled = false});
  CHECK(socket.Get(SOL_SOCKET, SO_KEEPALIVE) == 0);
  CHECK(socket.Get(IPPROTO_TCP, TCP_NODELAY) == 1);
}

TEST_CASE("unacknowledged bytes are given up when probes would be") {
  const Socket socket(
      KeepAlive{.time = seconds(7), .interval = seconds(5), .probes = 3, .user_timeout = true});
  CHECK(socket.Get(IPPROTO_TCP, TCP_USER_TIMEOUT) == 22'000);
  const Socket longest(KeepAlive{
      .time = seconds(32'767), .interval = seconds(32'767), .probes = 127, .user_timeout = true});
  CHECK(longest.Get(IPPROTO_TCP, TCP_USER_TIMEOUT) == 0x7fffffff);
}

}  // namespace aquifer::io
