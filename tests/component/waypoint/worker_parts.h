// What a real worker needs around it in tests: a port of its own and somebody who signs.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>

#include "certs/local_ca.h"
#include "certs/store.h"
#include "core/base/unique_fd.h"
#include "tests/support/catch.h"

namespace aquifer::test {

// A port that the worker can listen on and nobody else gets meanwhile: bound, and not listening.
// One of datagrams is connected besides, so that none of the worker's come to it.
struct ReservedPort {
  explicit ReservedPort(int type = SOCK_STREAM) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
    if (type != SOCK_DGRAM) return;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  UniqueFd fd;
  std::uint16_t port = 0;
};

// Signs for everybody.
class Authority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity identity,
                                                               StopToken) override {
    co_return Sign(identity);
  }
  certs::CertificateBundle Sign(const certs::Identity& identity) const {
    certs::PrivateKey key = certs::PrivateKey::Generate();
    const auto leaf = ca.Issue(key.get(), identity, std::chrono::hours(1), certs::SystemWallTime());
    REQUIRE(leaf.ok());
    auto bundle = certs::CertificateBundle::FromResponse(std::move(key), ca.ResponseChain(*leaf));
    REQUIRE(bundle.ok());
    return *std::move(bundle);
  }
  const certs::LocalCa ca = certs::LocalCa::Create("test", certs::SystemWallTime());
};

}  // namespace aquifer::test
