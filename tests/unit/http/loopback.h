// Two ends of a TCP connection over loopback, for tests of what runs above a Stream.
#pragma once

#include <memory>
#include <utility>

#include "core/io/socket.h"
#include "tests/support/run_task.h"

namespace aquifer::test {

struct Sockets {
  io::SocketPtr client;
  io::SocketPtr server;
};

inline Task<Sockets> MakeSockets() {
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  const Address address = (*listener)->local();
  Result<io::SocketPtr> client = co_await io::Connect(address, StopToken());
  REQUIRE(client.ok());
  Result<io::SocketPtr> server = co_await (*listener)->Accept(StopToken());
  REQUIRE(server.ok());
  co_return Sockets{*std::move(client), *std::move(server)};
}

}  // namespace aquifer::test
