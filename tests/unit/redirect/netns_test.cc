#include "redirect/netns.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <set>
#include <vector>

#include "redirect/netlink.h"
#include "redirect/original_dst.h"
#include "redirect/pod_sockets.h"
#include "redirect/transparent.h"
#include "tests/unit/redirect/support.h"

namespace aquifer::redirect {

TEST_CASE("two descriptors of one namespace have one identity") {
  const auto a = Netns::Current();
  const auto b = Netns::OfProcess(::getpid());
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK((*a)->fd() != (*b)->fd());
  CHECK((*a)->id() == (*b)->id());
  CHECK(test::AnyNetns()->id() != test::AnyNetns()->id());
}

TEST_CASE("what is no network namespace is told apart") {
  const auto mount = Netns::Open("/proc/self/ns/mnt");
  REQUIRE_FALSE(mount.ok());
  CHECK(mount.error().reason == Reason::kUnsupported);
  CHECK_FALSE(test::AnyNetns()->CheckKind().ok());
  CHECK_FALSE(Netns::Open("/proc/self/maps").ok());
}

TEST_CASE("a name that leaves the folder of names is refused") {
  for (const std::string name : {"", ".", "..", "../x", "a/b"}) {
    INFO(name);
    const auto netns = Netns::Open(name);
    REQUIRE_FALSE(netns.ok());
    CHECK(netns.error().reason == Reason::kBadRequest);
  }
}

TEST_CASE("a namespace that is not there is not found") {
  const auto netns = Netns::Open("aquifer-test-no-such-name");
  REQUIRE_FALSE(netns.ok());
  CHECK(netns.error().reason == Reason::kNotFound);
}

TEST_CASE("a namespace that cannot be entered runs nothing") {
  bool ran = false;
  const Status entered = test::AnyNetns()->Run([&]() -> Status {
    ran = true;
    return {};
  });
  CHECK_FALSE(entered.ok());
  CHECK_FALSE(ran);
}

TEST_CASE("a dual-stack listener gives the IPv4 destination of an IPv4 connection") {
  PodSockets sockets(PodSocketOptions{.mark = 0});
  const auto listener = sockets.Listen(0, SourceKept::kNo);
  REQUIRE(listener.ok());
  const auto bound = OriginalDestination(listener->fd.get());  // its own address, with its port
  REQUIRE(bound.ok());
  const Address server{Ip::Loopback4(), bound->port};
  const auto client = sockets.Upstream(server.ip);
  REQUIRE(client.ok());
  sockaddr_storage storage{};
  const socklen_t length = server.ToSockaddr(storage);
  REQUIRE(::connect(client->get(), reinterpret_cast<sockaddr*>(&storage), length) == 0);
  const UniqueFd accepted(::accept(listener->fd.get(), nullptr, nullptr));
  const auto destination = OriginalDestination(accepted.get());
  REQUIRE(destination.ok());
  CHECK(*destination == server);
}

TEST_CASE("what is no connection has no original destination") {
  const UniqueFd file = test::AnyFd();
  const auto destination = OriginalDestination(file.get());
  REQUIRE_FALSE(destination.ok());
  CHECK(destination.error().reason == Reason::kNoOriginalDestination);
}

TEST_CASE("a source of the other family is not kept, and the socket is still of use") {
  PodSockets sockets(PodSocketOptions{.mark = 0});
  const auto made = sockets.UpstreamFrom(Ip::Loopback6(), Ip::V4(10, 0, 0, 1));
  REQUIRE(made.ok());
  CHECK_FALSE(made->source_kept.ok());
  CHECK(made->fd.valid());
}

TEST_CASE("a borrowed source port is never one that a host chooses by itself") {
  std::set<std::uint16_t> ports;
  for (std::uint32_t n = 0; n < 100'000; ++n) {
    const std::uint16_t port = SourcePort(n);
    REQUIRE(port >= 1024);
    REQUIRE((port < 32768 || port > 60999));
    ports.insert(port);
  }
  CHECK(ports.size() == 31744 + 4536);
  CHECK(SourcePort(0xffffffff) >= 1024);
}

TEST_CASE("a borrowed source has a free port, and the kernel's choice when all are taken") {
  const Ip source = Ip::Loopback4();  // ours: needs no privilege to speak with
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!SetTransparent(probe.get(), AF_INET))
    return;  // without CAP_NET_ADMIN there is nothing to see
  std::vector<UniqueFd> bound;
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 9; ++i) {
    bound.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(BindSource(bound.back().get(), source, 20'000).ok());
    const std::uint16_t port = OriginalDestination(bound.back().get())->port;
    if (port != 0) CHECK(ports.insert(port).second);  // 0: not chosen before connect
  }
  CHECK(ports.size() <= 8);
  for (const std::uint16_t port : ports) {
    CHECK(port >= SourcePort(20'000));
    CHECK(port <= SourcePort(20'007));
  }
}

TEST_CASE("an attribute that claims to be longer than its message is not read") {
  struct {
    nlmsghdr head;
    std::uint32_t fixed;
    std::uint16_t length;
    std::uint16_t type;
    std::uint32_t value;
  } message{};
  message.head.nlmsg_len = sizeof message;
  message.length = 8;
  message.type = 3;
  message.value = 42;
  const NetlinkAnswer answer(message.head);
  CHECK(answer.Attribute(sizeof message.fixed, 3) == 42u);
  CHECK_FALSE(answer.Attribute(sizeof message.fixed, 4).has_value());
  message.length = 12;
  CHECK_FALSE(answer.Attribute(sizeof message.fixed, 3).has_value());
  message.length = 2;
  CHECK_FALSE(answer.Attribute(sizeof message.fixed, 3).has_value());
}

}  // namespace aquifer::redirect
