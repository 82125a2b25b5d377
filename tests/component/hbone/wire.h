// A cable between two sockets in one process that does to the bytes what a test wants: lets them
// through in drips, cuts after so many, turns one over, or goes silent.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "core/io/socket.h"
#include "core/rt/scope.h"
#include "tests/support/catch.h"

namespace aquifer::hbone::test {

struct WirePlan {
  enum class Fate : std::uint8_t { kNone, kReset, kFin, kSilence, kGarble };
  std::size_t drip_bytes = SIZE_MAX;  // at most so many at a time
  Fate fate = Fate::kNone;            // of the direction towards the server
  std::size_t fate_at = SIZE_MAX;     // after so many bytes
  Fate back_fate = Fate::kNone;       // of the other
  std::size_t back_fate_at = SIZE_MAX;
};

struct SocketPair {
  io::SocketPtr near;
  io::SocketPtr far;
};

// Two ends of one TCP connection over loopback.
inline Task<Result<SocketPair>> MakeTcpPair(StopToken stop) {
  AQ_CO_TRY(const std::unique_ptr<io::Listener> listener,
            io::Listener::Listen(Address{Ip::Loopback4(), 0}));
  AQ_CO_TRY(io::SocketPtr near, co_await io::Connect(listener->local(), stop));
  AQ_CO_TRY(io::SocketPtr far, co_await listener->Accept(stop));
  co_return SocketPair{std::move(near), std::move(far)};
}

class Wire {
 public:
  // Between `client`, whose other end a client has, and `server` likewise.
  Wire(io::SocketPtr client, io::SocketPtr server, const WirePlan& plan, StopToken stop)
      : client_(std::move(client)), server_(std::move(server)), plan_(plan), stop_(stop) {}

  // To the end of both directions, or the stop.
  Task<void> Run() {
    {
      Scope both;
      both.Spawn(Pump(*client_, *server_, plan_.fate, plan_.fate_at, carried_));
      both.Spawn(Pump(*server_, *client_, plan_.back_fate, plan_.back_fate_at, carried_back_));
      co_await both.Join();
    }
    client_.reset();
    server_.reset();
  }
  std::size_t carried() const { return carried_; }
  std::size_t carried_back() const { return carried_back_; }

 private:
  Task<void> Pump(io::Socket& from, io::Socket& to, WirePlan::Fate fate, std::size_t fate_at,
                  std::size_t& carried) {
    while (true) {
      Result<Chunk> got = co_await from.Read(stop_.token());
      if (!got) co_return Break();
      if (got->empty()) break;
      while (!got->empty()) {
        const bool due = fate != WirePlan::Fate::kNone && carried >= fate_at;
        if (due && fate != WirePlan::Fate::kGarble) co_return co_await Meet(fate, to);
        Chunk part = Next(*got, due, fate == WirePlan::Fate::kNone ? SIZE_MAX : fate_at - carried);
        if (due) fate = WirePlan::Fate::kNone;
        carried += part.size();
        const Status sent = co_await to.Write(std::move(part), stop_.token());
        if (!sent) co_return Break();
      }
    }
    std::ignore = co_await to.ShutdownWrite(stop_.token());
  }

  // Takes the next bytes off `rest`: up to what the drip allows and where the fate is due.
  Chunk Next(Chunk& rest, bool garble, std::size_t room) const {
    const std::size_t most = garble ? 1 : std::max<std::size_t>(1, room);
    const std::size_t size = std::min({rest.size(), plan_.drip_bytes, most});
    Chunk part = rest.Slice(0, size);
    rest.RemovePrefix(size);
    if (!garble) return part;
    const std::uint8_t turned = part.bytes()[0] ^ 0x40;
    return Chunk::CopyOf(Bytes(&turned, 1));
  }

  Task<void> Meet(WirePlan::Fate fate, io::Socket& to) {
    if (fate == WirePlan::Fate::kReset) co_return Break();
    if (fate == WirePlan::Fate::kFin) {
      std::ignore = co_await to.ShutdownWrite(StopToken());
      co_return;
    }
    Event never;
    std::ignore = co_await never.Wait(stop_.token());
  }

  void Break() {
    client_->Reset();
    server_->Reset();
    stop_.RequestStop();
  }

  io::SocketPtr client_;
  io::SocketPtr server_;
  WirePlan plan_;
  StopSource stop_;
  std::size_t carried_ = 0;
  std::size_t carried_back_ = 0;
};

}  // namespace aquifer::hbone::test
