// One drawn case of HBONE whole: parties, copies, the pool, TLS, HTTP/2, the server, copies again
// and parties, over real sockets, with dials that fail, cables that are cut, handlers that refuse,
// drains, shutdowns and stops at random moments.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/io/copy.h"
#include "core/rt/timer.h"
#include "hbone/pool.h"
#include "hbone/server.h"
#include "tests/component/fault/party.h"
#include "tests/component/hbone/mesh.h"
#include "tests/component/hbone/wire.h"
#include "tests/unit/certs/pipe.h"

namespace aquifer::hbone::test {

using aquifer::test::Dice;
using aquifer::test::Party;
using aquifer::test::Script;

enum class Weather : std::uint8_t {
  kCalm,   // nothing goes wrong: everything has to arrive
  kStops,  // tunnels are stopped, nothing else
  kStorm,  // anything
};

class World final : public ConnectHandler {
 public:
  World(const Credentials& credentials, std::uint64_t seed);

  // Runs the case and judges it; what was not as it has to be comes back.
  Task<std::vector<std::string>> Run();

  Task<void> OnConnect(IncomingTunnel tunnel, StopToken stop) override;
  void OnHandshakeFailed(const Address&, const Address&, const Error& error,
                         const std::string&) override {
    if (weather_ == Weather::kCalm) Complain("a handshake failed: " + Describe(error));
  }
  void OnBadRequest(const Address&, const certs::Identity&, const Refusal& refusal) override {
    Complain("a request was refused: " + refusal.ToString());
  }
  // That is what the storm is about.
  void OnConnectionBroken(const Address&, const certs::Identity&, const Error&) override {}

 private:
  friend class StormDialer;
  // One side of a tunnel: a party, and the stream by which it is joined to the tunnel.
  struct Side {
    Script script;
    std::unique_ptr<Party> party;
    io::StreamPtr joined;
    Event over;
    bool used = false;
    Status copied;
  };
  struct Passage {
    Side client;
    Side server;
    StopSource stop;
    bool stopped = false;
    Reason reason = Reason::kStopped;
    Result<void, TunnelError> opened;
  };

  void MakeSide(Side& side, std::uint8_t tag, std::uint8_t other_tag);
  Task<void> RunSide(Side& side, io::Stream& tunnel, StopToken stop);
  Task<void> Join(Side& side, io::Stream& tunnel, StopToken stop);
  Task<void> RunPassage(std::uint16_t number);
  Task<void> StopSoon(Passage& passage);
  Task<void> Trouble();
  Task<void> LosePatience();
  Task<Result<io::SocketPtr>> Dial(StopToken stop);
  Task<void> RunWire(io::SocketPtr client, io::SocketPtr server, WirePlan plan);
  void Serve(io::SocketPtr socket);
  std::size_t Moved() const;
  void Judge();
  void JudgePassage(Passage& passage);
  void Complain(std::string what) { complaints_.push_back(std::move(what)); }

  const Credentials& credentials_;
  Dice dice_;
  Weather weather_;
  std::vector<std::string> complaints_;
  std::vector<std::unique_ptr<Passage>> passages_;
  PoolOptions pool_options_;
  ServerOptions server_options_;
  std::vector<io::SocketPtr> mute_;  // connected, and never say a word
  std::size_t dials_ = 0;
  StopSource drain_;
  StopSource server_stop_;
  StopSource clients_ended_;
  Pool pool_;
  Scope servers_;
};

}  // namespace aquifer::hbone::test
