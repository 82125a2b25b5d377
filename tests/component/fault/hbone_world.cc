#include "tests/component/fault/hbone_world.h"

namespace aquifer::hbone::test {

using std::chrono::milliseconds;

// Where the pool's connections come from, and do not.
class StormDialer final : public Dialer {
 public:
  explicit StormDialer(World& world) : world_(world) {}
  Task<Result<io::SocketPtr>> Dial(Address, StopToken stop) override { return world_.Dial(stop); }

 private:
  World& world_;
};

namespace {

PoolOptions PoolOptionsFor(Weather weather, Dice& dice) {
  PoolOptions options;
  if (weather != Weather::kStorm) return options;
  options.connect_timeout = milliseconds(15);
  options.handshake_timeout = milliseconds(40);
  options.idle_timeout = milliseconds(dice.Pick({4, 60'000}));
  options.max_streams_per_connection = dice.Pick<std::size_t>({1, 2, 100});
  return options;
}

WirePlan DrawWire(Dice& dice) {
  const auto fate = [&dice](WirePlan::Fate& what, std::size_t& when) {
    what = dice.Pick({WirePlan::Fate::kNone, WirePlan::Fate::kReset, WirePlan::Fate::kFin,
                      WirePlan::Fate::kSilence, WirePlan::Fate::kGarble});
    when = dice.Below(dice.Pick<std::size_t>({3'000, 6'000, 60'000}));
  };
  WirePlan plan;
  plan.drip_bytes = dice.Pick<std::size_t>({50, 1'000, SIZE_MAX});
  fate(plan.fate, plan.fate_at);
  fate(plan.back_fate, plan.back_fate_at);
  return plan;
}

Weather DrawWeather(Dice& dice) {
  return dice.Pick({Weather::kCalm, Weather::kStops, Weather::kStorm, Weather::kStorm});
}

}  // namespace

World::World(const Credentials& credentials, std::uint64_t seed)
    : credentials_(credentials),
      dice_(seed),
      weather_(DrawWeather(dice_)),
      pool_options_(PoolOptionsFor(weather_, dice_)),
      pool_(pool_options_) {
  server_options_.handshake_timeout =
      weather_ == Weather::kStorm ? milliseconds(40) : milliseconds(10'000);
  const std::size_t count = 1 + dice_.Below(5);
  for (std::size_t i = 0; i < count; ++i) {
    auto passage = std::make_unique<Passage>();
    const auto tag = static_cast<std::uint8_t>(2 * i);
    MakeSide(passage->client, tag, tag + 1);
    MakeSide(passage->server, tag + 1, tag);
    passage->reason = dice_.Pick({Reason::kStopped, Reason::kDrained, Reason::kPolicyChanged});
    passages_.push_back(std::move(passage));
  }
}

void World::MakeSide(Side& side, std::uint8_t tag, std::uint8_t other_tag) {
  side.script = Script::Draw(dice_, weather_ != Weather::kStorm);
  auto [far, near] =
      certs::test::MakePipe({.piece_bytes = dice_.Pick<std::size_t>({100'000, 700}),
                             .capacity_bytes = dice_.Pick<std::size_t>({1, 4'096, 200'000})});
  side.party = std::make_unique<Party>(std::move(far), side.script, tag, other_tag, dice_.Seed());
  side.joined = std::move(near);
}

Task<std::vector<std::string>> World::Run() {
  {
    Scope clients;
    Scope around;
    for (std::uint16_t i = 0; i < passages_.size(); ++i) clients.Spawn(RunPassage(i));
    if (weather_ == Weather::kStorm) around.Spawn(Trouble());
    around.Spawn(LosePatience());
    co_await clients.Join();
    clients_ended_.RequestStop();
    co_await around.Join();
  }
  if (pool_.connections() > dials_) Complain("more connections than dials");
  if (weather_ == Weather::kCalm && pool_.connections() > 1) Complain("a dial too many");
  // Everything that was said gets through before the connections end.
  if (weather_ != Weather::kStorm || dice_.Chance(30))
    co_await pool_.Drain(weather_ == Weather::kStorm ? milliseconds(5) : milliseconds(20'000));
  if (weather_ != Weather::kStorm && pool_.connections() != 0) Complain("a drain has no end");
  co_await pool_.Shutdown();
  if (pool_.connections() != 0) Complain("connections are left in the pool");
  // The servers end with their connections, once what these brought has reached its party.
  if (weather_ == Weather::kStorm) server_stop_.RequestStop();
  co_await servers_.Join();
  mute_.clear();
  Judge();
  co_return complaints_;
}

Task<void> World::RunPassage(std::uint16_t number) {
  Passage& passage = *passages_[number];
  while (dice_.Chance(30)) co_await aquifer::test::Turn();
  Scope beside;
  if (weather_ != Weather::kCalm && dice_.Chance(weather_ == Weather::kStops ? 80 : 30))
    beside.Spawn(StopSoon(passage));
  PoolKey key{credentials_.client_id,
              dice_.Pick({"", "pod"}),
              {credentials_.server_id},
              "",
              Address{Ip::Loopback4(), kPort}};
  if (weather_ == Weather::kCalm) key.origin.clear();
  ConnectRequest request = To(static_cast<std::uint16_t>(number + 1));
  Result<Tunnel, TunnelError> tunnel =
      co_await pool_.Open(std::move(key), std::make_shared<StormDialer>(*this), credentials_.client,
                          std::move(request), passage.stop.token());
  if (tunnel.ok()) {
    co_await RunSide(passage.client, *tunnel->stream, passage.stop.token());
    tunnel->stream.reset();
  } else {
    passage.opened = tunnel.error();
  }
  passage.stop.RequestStop();
  co_await beside.Join();
}

// Stops the passage after some turns, be it in its dial, its handshake, its CONNECT or its copy.
Task<void> World::StopSoon(Passage& passage) {
  // Several turns are one question to the kernel.
  const std::size_t turns = dice_.Below(dice_.Pick({5U, 60U, 600U, 5'000U}));
  for (std::size_t i = 0; i < turns && !passage.stop.requested(); ++i)
    co_await aquifer::test::Turn();
  if (passage.stop.requested()) co_return;
  passage.stopped = true;
  passage.stop.RequestStop(passage.reason);
}

Task<void> World::RunSide(Side& side, io::Stream& tunnel, StopToken stop) {
  side.used = true;
  Scope both;
  both.Spawn(side.party->Run(side.over));
  both.Spawn(Join(side, tunnel, stop));
  co_await both.Join();
}

Task<void> World::Join(Side& side, io::Stream& tunnel, StopToken stop) {
  io::CopyTotals totals;
  side.copied = co_await io::CopyBothWays(*side.joined, tunnel, totals, stop);
  side.joined.reset();
  side.over.Set();
}

Task<void> World::OnConnect(IncomingTunnel tunnel, StopToken stop) {
  const std::uint16_t port = std::get<Address>(tunnel.request.authority).port;
  Side& side = passages_[port - 1U]->server;
  if (side.used) Complain("one CONNECT arrived twice");
  if (weather_ == Weather::kStorm && dice_.Chance(25)) {
    side.used = true;
    side.joined.reset();
    const std::size_t how = dice_.Below(3);
    if (how == 0) static_cast<void>(tunnel.Refuse(503, "a fault"));
    if (how == 1) tunnel.stream->Reset();
    Event never;
    if (how == 2) std::ignore = co_await never.Wait(tunnel.stream->gone());
    co_return;
  }
  const Status accepted = tunnel.Accept();
  if (!accepted) side.joined->Reset();
  co_await RunSide(side, *tunnel.stream, stop);
}

Task<Result<io::SocketPtr>> World::Dial(StopToken stop) {
  ++dials_;
  enum Way : std::uint8_t { kDirect, kCable, kMute, kRefused, kNobody };
  Way way = kDirect;
  if (weather_ == Weather::kStorm)
    way = dice_.Pick({kDirect, kCable, kCable, kCable, kMute, kRefused, kNobody});
  if (way == kRefused) co_return Error{Reason::kConnectRefused, 111};
  if (way == kNobody) {
    Event never;
    const Status waited = co_await never.Wait(stop);
    co_return waited.error();
  }
  AQ_CO_TRY(SocketPair pair, co_await MakeTcpPair(stop));
  if (way == kMute) {
    mute_.push_back(std::move(pair.far));
  } else if (way == kCable) {
    AQ_CO_TRY(SocketPair second, co_await MakeTcpPair(stop));
    servers_.Spawn(RunWire(std::move(pair.far), std::move(second.near), DrawWire(dice_)));
    Serve(std::move(second.far));
  } else {
    Serve(std::move(pair.far));
  }
  co_return std::move(pair.near);
}

Task<void> World::RunWire(io::SocketPtr client, io::SocketPtr server, WirePlan plan) {
  Wire wire(std::move(client), std::move(server), plan, server_stop_.token());
  co_await wire.Run();
}

void World::Serve(io::SocketPtr socket) {
  servers_.Spawn(ServeConnection(std::move(socket), credentials_.server,
                                 certs::InTrustDomain{"cluster.local"}, server_options_, *this,
                                 drain_.token(), server_stop_.token()));
}

Task<void> World::Trouble() {
  const auto moment = milliseconds(dice_.Below(20));
  const std::size_t what = dice_.Below(6);
  if (const Status slept = co_await SleepFor(moment, clients_ended_.token()); !slept) co_return;
  if (what == 0) drain_.RequestStop(Reason::kDrained);
  if (what == 1) server_stop_.RequestStop(Reason::kStopped);
  if (what == 2) pool_.Forget("pod");
  if (what == 3) co_await pool_.Shutdown();
}

// Stops everything once nothing has moved for a while: many a case has no end of its own.
Task<void> World::LosePatience() {
  const auto patience = weather_ == Weather::kStorm ? milliseconds(25) : milliseconds(20'000);
  for (std::size_t seen = SIZE_MAX; seen != Moved();) {
    seen = Moved();
    const Status slept = co_await SleepFor(patience, clients_ended_.token());
    if (!slept) co_return;
  }
  if (weather_ != Weather::kStorm) Complain("nothing moves any more");
  for (const std::unique_ptr<Passage>& passage : passages_) {
    if (passage->stop.requested()) continue;
    passage->stopped = true;
    passage->stop.RequestStop(passage->reason);
  }
}

std::size_t World::Moved() const {
  std::size_t moved = 0;
  for (const std::unique_ptr<Passage>& passage : passages_) {
    for (const Side* side : {&passage->client, &passage->server})
      moved += side->party->account().tried + side->party->account().heard + (side->used ? 1 : 0);
  }
  return moved;
}

void World::Judge() {
  for (const std::unique_ptr<Passage>& passage : passages_) JudgePassage(*passage);
}

void World::JudgePassage(Passage& passage) {
  Side& client = passage.client;
  Side& server = passage.server;
  const aquifer::test::Account& there = client.party->account();
  const aquifer::test::Account& back = server.party->account();
  aquifer::test::JudgeDirection("to the server", there, back, false, complaints_);
  aquifer::test::JudgeDirection("to the client", back, there, false, complaints_);
  if (!passage.opened.ok() && passage.opened.error().error.reason == Reason::kOk)
    Complain("a tunnel failed without a reason");
  if (passage.opened.ok() && !server.used) Complain("a tunnel that nobody accepted");
  if (weather_ == Weather::kStorm) return;
  if (!passage.stopped) {
    if (!passage.opened.ok())
      return Complain("no tunnel: " + Describe(passage.opened.error().error));
    if (!client.copied.ok()) Complain("failed: " + Describe(client.copied.error()));
    if (!server.copied.ok()) Complain("failed at the server: " + Describe(server.copied.error()));
    aquifer::test::JudgeWhole("to the server", there, back, complaints_);
    aquifer::test::JudgeWhole("to the client", back, there, complaints_);
  } else {
    const Status ended = passage.opened.ok() ? client.copied : Status(passage.opened.error().error);
    if (!ended.ok() && ended.error().reason != passage.reason)
      Complain("stopped, and ended by " + Describe(ended.error()));
  }
}

}  // namespace aquifer::hbone::test
