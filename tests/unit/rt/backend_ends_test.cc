// Dialling, accepting and reading what is no stream, on every backend.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "tests/unit/rt/kernel.h"

namespace aquifer {
namespace {

using test::Kernel;
using test::Kinds;
using test::kPatience;
using test::Moving;
using test::Of;
using test::Pair;

bool IsBlocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; }

struct TcpListener {
  explicit TcpListener(int backlog = 16) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(fd.get(), generic, length) == 0);
    REQUIRE(::listen(fd.get(), backlog) == 0);
    REQUIRE(::getsockname(fd.get(), generic, &length) == 0);
  }
  Op Connecting(const UniqueFd& from) const {
    Op op = Of(OpKind::kConnect, from.get());
    op.address = reinterpret_cast<const sockaddr*>(&address);
    op.address_length = sizeof address;
    return op;
  }

  UniqueFd fd;
  sockaddr_in address{};
};

UniqueFd TcpSocket() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

}  // namespace

TEST_CASE("a connection is made on a blocking socket that stays one") {
  EACH_BACKEND();
  const TcpListener listener;
  const UniqueFd client = TcpSocket();
  Op accepting = Of(OpKind::kAccept, listener.fd.get());
  kernel.Submit(accepting);
  CHECK(kernel.Look() == 0);
  Op connecting = listener.Connecting(client);
  kernel.Submit(connecting);
  kernel.Await(2);
  CHECK(connecting.result == 0);
  const UniqueFd accepted(accepting.result);
  REQUIRE(accepted.valid());
  CHECK(::fcntl(accepted.get(), F_GETFD) == FD_CLOEXEC);
  CHECK(IsBlocking(client.get()));
  CHECK(IsBlocking(listener.fd.get()));
}

TEST_CASE("a connection that is refused says so") {
  EACH_BACKEND();
  TcpListener listener;
  listener.fd.Reset();
  const UniqueFd client = TcpSocket();
  Op op = listener.Connecting(client);
  CHECK(kernel.Do(op) == -ECONNREFUSED);
}

TEST_CASE("a dial that nobody answers can be cancelled") {
  EACH_BACKEND();
  const TcpListener listener(0);
  const UniqueFd first = TcpSocket();
  Op fills_the_queue = listener.Connecting(first);
  CHECK(kernel.Do(fills_the_queue) == 0);
  const UniqueFd second = TcpSocket();
  Op unanswered = listener.Connecting(second);
  kernel.Submit(unanswered);
  CHECK(kernel.Look() == 0);
  CHECK(kernel.Look() == 0);
  kernel.Cancel(unanswered);
  kernel.Await();
  CHECK(unanswered.result == -ECANCELED);
}

TEST_CASE("of two who share a listener the slower one goes on waiting") {
  EACH_BACKEND();
  Kernel other(GENERATE(from_range(Kinds())));
  const TcpListener listener;
  Op here = Of(OpKind::kAccept, listener.fd.get());
  Op there = Of(OpKind::kAccept, listener.fd.get());
  kernel.Submit(here);
  other.Submit(there);
  CHECK(kernel.Look() == 0);
  CHECK(other.Look() == 0);
  const UniqueFd client = TcpSocket();
  Op connecting = listener.Connecting(client);
  Kernel dialling(BackendKind::kEpoll);
  CHECK(dialling.Do(connecting) == 0);
  const TimePoint end = Clock::now() + kPatience;
  while (here.in_flight && there.in_flight && Clock::now() < end) {
    kernel.Look();
    other.Look();
  }
  CHECK(kernel.Look() + other.Look() == 0);
  REQUIRE(here.in_flight != there.in_flight);
  Op& slower = here.in_flight ? here : there;
  const UniqueFd accepted(here.in_flight ? there.result : here.result);
  CHECK(accepted.valid());
  Kernel& waiting = here.in_flight ? kernel : other;
  waiting.Cancel(slower);
  waiting.Await();
  CHECK(slower.result == -ECANCELED);
}

TEST_CASE("files, counters and watches are read") {
  EACH_BACKEND();
  std::array<char, 32> path{"/tmp/aquifer-read-XXXXXX"};
  const UniqueFd file(::mkstemp(path.data()));
  REQUIRE(::write(file.get(), "text", 4) == 4);
  std::string room(4096, 0);
  Op of_file = Moving(OpKind::kRead, file.get(), room);
  CHECK(kernel.Do(of_file) == 4);
  CHECK(room.substr(0, 4) == "text");

  const UniqueFd watch(::inotify_init1(IN_CLOEXEC));
  REQUIRE(::inotify_add_watch(watch.get(), path.data(), IN_DELETE_SELF | IN_ATTRIB) >= 0);
  Op of_watch = Moving(OpKind::kRead, watch.get(), room);
  kernel.Submit(of_watch);
  CHECK(kernel.Look() == 0);
  REQUIRE(::unlink(path.data()) == 0);
  kernel.Await();
  CHECK(of_watch.result >= static_cast<int>(sizeof(inotify_event)));

  const UniqueFd counter(::eventfd(0, EFD_CLOEXEC));
  std::uint64_t count = 0;
  Op of_counter = Of(OpKind::kRead, counter.get());
  of_counter.data = &count;
  of_counter.size = sizeof count;
  kernel.Submit(of_counter);
  CHECK(kernel.Look() == 0);
  const std::uint64_t three = 3;
  REQUIRE(::write(counter.get(), &three, sizeof three) == sizeof three);
  kernel.Await();
  CHECK(of_counter.result == sizeof count);
  CHECK(count == 3);
}

TEST_CASE("packets are received one at a time") {
  EACH_BACKEND();
  const Pair pair(SOCK_SEQPACKET);
  for (const std::string& packet : {std::string("one"), std::string("two")}) pair.Say(packet);
  std::string room(64, 0);
  iovec part{room.data(), room.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Op op = Of(OpKind::kRecvMessage, pair.near.get());
  op.message = &message;
  for (const char* expected : {"one", "two"}) {
    CHECK(kernel.Do(op) == 3);
    CHECK(room.substr(0, 3) == expected);
  }
  kernel.Submit(op);
  CHECK(kernel.Look() == 0);
  pair.Say("three");
  kernel.Await();
  CHECK(op.result == 5);
}

TEST_CASE("what is always ready leaves others their turn") {
  EACH_BACKEND();
  const UniqueFd counter(::eventfd(1'000'000, EFD_CLOEXEC | EFD_SEMAPHORE));
  const Pair pair;
  std::uint64_t count = 0;
  Op busy = Of(OpKind::kRead, counter.get());
  busy.data = &count;
  busy.size = sizeof count;
  std::string said = "x";
  Op loud = Moving(OpKind::kSend, pair.far.get(), said);
  Op quiet = Of(OpKind::kRecvPooled, pair.near.get());
  kernel.Submit(quiet);
  kernel.Submit(busy);
  kernel.Await();
  kernel.Submit(loud);
  int turns = 0;
  for (; quiet.in_flight && turns < 100; ++turns) {
    if (!busy.in_flight) kernel.Submit(busy);
    kernel.Look();
  }
  CHECK(turns < 10);
  CHECK(quiet.result == 1);
  while (busy.in_flight || loud.in_flight) kernel.Look();
}

TEST_CASE("a descriptor that is none is an error and no wait") {
  EACH_BACKEND();
  Op op = Of(OpKind::kRecvPooled, -1);
  CHECK(kernel.Do(op) == -EBADF);
  const UniqueFd closed(::eventfd(0, EFD_CLOEXEC));
  Op poll = Of(OpKind::kPoll, closed.get() + 1000);
  poll.poll_events = POLLIN;
  CHECK(kernel.Do(poll) == -EBADF);
}

}  // namespace aquifer
