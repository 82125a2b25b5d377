#include "redirect/hand_over.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "core/base/unique_fd.h"
#include "tests/support/catch.h"

namespace aquifer::redirect {
namespace {

constexpr int kConnections = 64;

UniqueFd Listen(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), 4 * kConnections) == 0);
  TakePart(fd.get());
  return fd;
}

sockaddr_in AddressOf(const UniqueFd& listener) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return address;
}

std::uint16_t PortOf(const UniqueFd& listener) { return ntohs(AddressOf(listener).sin_port); }

void Connect(const UniqueFd& listener) {
  const sockaddr_in address = AddressOf(listener);
  for (int i = 0; i < kConnections; ++i) {
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
  }
}

int Accept(const UniqueFd& listener) {
  int count = 0;
  pollfd ready{.fd = listener.get(), .events = POLLIN, .revents = 0};
  while (::poll(&ready, 1, 0) == 1) {
    const UniqueFd taken(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(taken.valid());
    ++count;
  }
  return count;
}

TEST_CASE("connections pass by a listener that leaves when there is another") {
  const UniqueFd first = Listen(0);
  const UniqueFd second = Listen(PortOf(first));
  const UniqueFd successor = Listen(PortOf(first));
  REQUIRE(PassBy(first.get(), 2).ok());
  Connect(first);
  CHECK(Accept(successor) == kConnections);
  CHECK(Accept(first) + Accept(second) == 0);
}

TEST_CASE("a listener that leaves still gets the connections when there is no other") {
  const UniqueFd only = Listen(0);
  REQUIRE(PassBy(only.get(), 1).ok());
  Connect(only);
  CHECK(Accept(only) == kConnections);
}

TEST_CASE("a listener that joins takes part, whatever a predecessor has left behind") {
  std::array<UniqueFd, 2> old = {Listen(0), UniqueFd()};
  const std::uint16_t port = PortOf(old[0]);
  old[1] = Listen(port);
  const UniqueFd stays = Listen(port);
  REQUIRE(PassBy(old[0].get(), 2).ok());
  for (UniqueFd& each : old) each.Reset();
  Connect(stays);
  CHECK(Accept(stays) == kConnections);
  const UniqueFd second = Listen(port);
  const UniqueFd third = Listen(port);
  Connect(stays);
  const std::array<int, 3> shares = {Accept(stays), Accept(second), Accept(third)};
  CHECK(shares[0] + shares[1] + shares[2] == kConnections);
  for (const int share : shares) CHECK(share > 0);
}

TEST_CASE("those who stay share what comes once the last who leaves has taken part again") {
  std::array<UniqueFd, 2> old = {Listen(0), UniqueFd()};
  const std::uint16_t port = PortOf(old[0]);
  old[1] = Listen(port);
  const std::array<UniqueFd, 4> stay = {Listen(port), Listen(port), Listen(port), Listen(port)};
  REQUIRE(PassBy(old[0].get(), 2).ok());
  old[0].Reset();
  TakePart(old[1].get());
  old[1].Reset();
  for (int i = 0; i < 4; ++i) Connect(stay[0]);
  for (const UniqueFd& each : stay) CHECK(Accept(each) > 0);
}

TEST_CASE("who leaves no port to others is told that it cannot be passed by") {
  const UniqueFd alone(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_FALSE(PassBy(alone.get(), 1).ok());
}

}  // namespace
}  // namespace aquifer::redirect
