// CopyBothWays between two parties while anything may go wrong: thousands of drawn cases over
// memory and over sockets, and a stop at every turn of one copy.
#include <sys/socket.h>

#include "core/io/copy.h"
#include "core/io/socket.h"
#include "core/rt/timer.h"
#include "tests/component/fault/fault_stream.h"
#include "tests/component/fault/left.h"
#include "tests/component/fault/party.h"
#include "tests/support/run_task.h"
#include "tests/unit/certs/pipe.h"

namespace aquifer {
namespace {

using test::Dice;
using test::FaultPlan;
using test::FaultStream;
using test::Party;
using test::Script;

constexpr std::uint8_t kTagA = 3;
constexpr std::uint8_t kTagB = 101;
constexpr std::size_t kNever = SIZE_MAX;

// The two connections of one copy, each with a party at its far end.
struct Wires {
  io::StreamPtr party_a;
  io::StreamPtr copy_a;
  io::StreamPtr copy_b;
  io::StreamPtr party_b;
  bool tell_resets = true;
};

Wires MakeMemoryWires(Dice& dice) {
  const certs::test::PipeOptions options{
      .piece_bytes = dice.Pick<std::size_t>({100'000, 16'384, 700}),
      .capacity_bytes = dice.Pick<std::size_t>({1, 4'096, 200'000})};
  auto [party_a, copy_a] = certs::test::MakePipe(options);
  auto [copy_b, party_b] = certs::test::MakePipe(options);
  return Wires{std::move(party_a), std::move(copy_a), std::move(copy_b), std::move(party_b), true};
}

std::pair<io::StreamPtr, io::StreamPtr> MakeUnixPair() {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  return {std::make_unique<io::Socket>(UniqueFd(fds[0])),
          std::make_unique<io::Socket>(UniqueFd(fds[1]))};
}

Task<std::pair<io::StreamPtr, io::StreamPtr>> MakeTcpPair(io::Listener& listener) {
  Result<io::SocketPtr> client = co_await io::Connect(listener.local(), StopToken());
  REQUIRE(client.ok());
  Result<io::SocketPtr> server = co_await listener.Accept(StopToken());
  REQUIRE(server.ok());
  co_return std::pair<io::StreamPtr, io::StreamPtr>(*std::move(client), *std::move(server));
}

Task<Wires> MakeSocketWires(Dice& dice, io::Listener& listener) {
  Wires wires;
  if (dice.Chance(70)) {
    std::tie(wires.party_a, wires.copy_a) = co_await MakeTcpPair(listener);
    std::tie(wires.copy_b, wires.party_b) = co_await MakeTcpPair(listener);
  } else {
    std::tie(wires.party_a, wires.copy_a) = MakeUnixPair();
    std::tie(wires.copy_b, wires.party_b) = MakeUnixPair();
    wires.tell_resets = false;  // a Unix socket knows no RST: it ends with FIN whatever happened
  }
  co_return wires;
}

// One case: who says what, what goes wrong, when it is stopped.
struct Case {
  Script a;
  Script b;
  FaultPlan fault_a;
  FaultPlan fault_b;
  std::size_t stop_at_turn = kNever;
  Reason stop_reason = Reason::kStopped;

  static Case Draw(Dice& dice) {
    const bool calm = dice.Chance(25);
    const std::size_t faulty = calm ? 0 : dice.Below(3);  // neither, a, b
    Case drawn{.a = Script::Draw(dice, calm),
               .b = Script::Draw(dice, calm),
               .fault_a = FaultPlan::Draw(dice, faulty == 1),
               .fault_b = FaultPlan::Draw(dice, faulty == 2)};
    if (!calm && dice.Chance(40)) drawn.stop_at_turn = dice.Below(dice.Pick({3U, 20U, 150U}));
    drawn.stop_reason = dice.Pick({Reason::kStopped, Reason::kDrained, Reason::kPolicyChanged});
    return drawn;
  }
};

class Copying {
 public:
  Copying(Wires wires, const Case& drawn, Dice& dice, Clock::duration patience)
      : case_(drawn),
        patience_(patience),
        tell_resets_(wires.tell_resets),
        a_(std::make_unique<FaultStream>(std::move(wires.copy_a), drawn.fault_a, dice.Seed(),
                                         complaints_)),
        b_(std::make_unique<FaultStream>(std::move(wires.copy_b), drawn.fault_b, dice.Seed(),
                                         complaints_)),
        party_a_(std::move(wires.party_a), drawn.a, kTagA, kTagB, dice.Seed()),
        party_b_(std::move(wires.party_b), drawn.b, kTagB, kTagA, dice.Seed()) {}

  // Runs the case and judges it; what was not as it has to be comes back.
  Task<std::vector<std::string>> Run() {
    {
      Scope scope;
      scope.Spawn(party_a_.Run(over_));
      scope.Spawn(party_b_.Run(over_));
      scope.Spawn(Copy());
      scope.Spawn(Watch());
      co_await scope.Join();
    }
    Judge();
    co_return complaints_;
  }
  std::size_t turns() const { return turns_; }
  bool ok() const { return status_.ok(); }

 private:
  Task<void> Copy() {
    status_ = co_await io::CopyBothWays(*a_, *b_, totals_, stop_.token());
    a_fired_ = a_->fired();
    b_fired_ = b_->fired();
    a_.reset();
    b_.reset();
    over_.Set();
    ended_.RequestStop();
  }

  // Stops the copy where the case says so, or when nothing has moved for a while.
  Task<void> Watch() {
    for (; !over_.is_set() && turns_ < case_.stop_at_turn; ++turns_) {
      if (case_.stop_at_turn == kNever && turns_ >= kBusyTurns) break;
      co_await test::Turn();
    }
    std::size_t seen = kNever;
    while (!over_.is_set() && turns_ != case_.stop_at_turn && seen != Moved()) {
      seen = Moved();
      std::ignore = co_await SleepFor(patience_, ended_.token());
    }
    if (over_.is_set()) co_return;
    stopped_ = true;
    stop_.RequestStop(case_.stop_reason);
  }
  std::size_t Moved() const {
    return party_a_.account().tried + party_a_.account().heard + party_b_.account().tried +
           party_b_.account().heard;
  }

  void Judge() {
    const test::Account& a = party_a_.account();
    const test::Account& b = party_b_.account();
    const bool a_cut = a_fired_ && case_.fault_a.fault == test::Fault::kEarlyFin;
    const bool b_cut = b_fired_ && case_.fault_b.fault == test::Fault::kEarlyFin;
    const bool hidden = !tell_resets_;
    test::JudgeDirection("a to b", a, b, a_cut || hidden, complaints_);
    test::JudgeDirection("b to a", b, a, b_cut || hidden, complaints_);
    if (totals_.a_to_b_bytes > a.tried || totals_.b_to_a_bytes > b.tried)
      complaints_.push_back("more bytes counted than were sent");
    const bool orderly = case_.a.in_order() && case_.b.in_order();
    if (orderly && !a_fired_ && !b_fired_ && !stopped_) {
      test::JudgeWhole("a to b", a, b, complaints_);
      test::JudgeWhole("b to a", b, a, complaints_);
      if (totals_.a_to_b_bytes != a.said || totals_.b_to_a_bytes != b.said)
        complaints_.push_back("the totals are not what was sent");
      if (!status_.ok()) complaints_.push_back("failed: " + Describe(status_.error()));
    }
    JudgeStatus(orderly);
  }

  // The error that is told has to be one that there was.
  void JudgeStatus(bool orderly) {
    if (status_.ok()) return;
    const Reason told = status_.error().reason;
    bool known = stopped_ && told == case_.stop_reason;
    known |= a_fired_ && told == case_.fault_a.error.reason;
    known |= b_fired_ && told == case_.fault_b.error.reason;
    known |= !orderly && (told == Reason::kPeerReset || told == Reason::kPeerClosed);
    if (!known) complaints_.push_back("ended by " + Describe(status_.error()) + " out of nowhere");
  }

  static constexpr std::size_t kBusyTurns = 64;

  Case case_;
  Clock::duration patience_;
  bool tell_resets_;
  std::vector<std::string> complaints_;
  std::unique_ptr<FaultStream> a_;
  std::unique_ptr<FaultStream> b_;
  Party party_a_;
  Party party_b_;
  io::CopyTotals totals_;
  Status status_;
  Event over_;
  StopSource stop_;
  StopSource ended_;
  std::size_t turns_ = 0;
  bool stopped_ = false;
  bool a_fired_ = false;
  bool b_fired_ = false;
};

Task<void> DrawOverMemory(std::uint64_t first_seed, int count) {
  const test::Left left;
  for (int i = 0; i < count; ++i) {
    Dice dice(first_seed + static_cast<std::uint64_t>(i));
    const Case drawn = Case::Draw(dice);
    Copying copying(MakeMemoryWires(dice), drawn, dice, std::chrono::seconds(1));
    std::vector<std::string> complaints = co_await copying.Run();
    left.Compare(complaints);
    test::Report(first_seed + static_cast<std::uint64_t>(i), complaints);
  }
}

Task<void> DrawOverSockets(std::uint64_t first_seed, int count) {
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  const test::Left left;
  for (int i = 0; i < count; ++i) {
    Dice dice(first_seed + static_cast<std::uint64_t>(i));
    const Case drawn = Case::Draw(dice);
    Wires wires = co_await MakeSocketWires(dice, **listener);
    Copying copying(std::move(wires), drawn, dice, std::chrono::milliseconds(4));
    std::vector<std::string> complaints = co_await copying.Run();
    left.Compare(complaints);
    test::Report(first_seed + static_cast<std::uint64_t>(i), complaints);
  }
}

// The same copy, stopped at its first turn, at its second, and so on to its end.
Task<void> StopAtEveryTurn(std::uint64_t seed, bool memory, int& stops) {
  Result<std::unique_ptr<io::Listener>> listener =
      io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(listener.ok());
  for (std::size_t turn = 0;; ++turn, ++stops) {
    Dice dice(seed);
    Case drawn;
    drawn.a = drawn.b = Script{.say_bytes = 40'000, .piece_bytes = 7'000};
    drawn.fault_a.short_percent = drawn.fault_b.short_percent = 50;
    drawn.stop_at_turn = turn;
    drawn.stop_reason = Reason::kDrained;
    Wires wires;
    if (memory) {
      wires = MakeMemoryWires(dice);
    } else {
      wires = co_await MakeSocketWires(dice, **listener);
    }
    Copying copying(std::move(wires), drawn, dice, std::chrono::milliseconds(4));
    test::Report(seed, co_await copying.Run());
    if (copying.ok()) break;
  }
}

}  // namespace

TEST_CASE("a copy between streams that fail at random delivers a prefix and says why it ended") {
  const std::uint64_t seed = test::SeedOf("copy over memory");
  test::RunVirtual(DrawOverMemory(seed, 3'000 * test::Rounds()));
}

TEST_CASE("a copy between sockets that fail at random delivers a prefix and leaves nothing") {
  const std::uint64_t seed = test::SeedOf("copy over sockets");
  test::Run(DrawOverSockets(seed, 1'000 * test::Rounds()));
}

TEST_CASE("a copy can be stopped at any turn") {
  const std::uint64_t seed = test::SeedOf("copy stopped at every turn");
  int stops = 0;
  for (std::uint64_t i = 0; i < 20; ++i) test::RunVirtual(StopAtEveryTurn(seed + i, true, stops));
  CHECK(stops > 100);
  stops = 0;
  for (std::uint64_t i = 0; i < 5; ++i) test::Run(StopAtEveryTurn(seed + i, false, stops));
  CHECK(stops > 20);
}

}  // namespace aquifer
