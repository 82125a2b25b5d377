// A stream that goes wrong as drawn: short reads, pauses between any two steps, and at most one
// fault. It also watches that whoever uses it keeps to the contract of core/io/stream.h.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/io/stream.h"
#include "core/rt/event.h"
#include "tests/support/dice.h"
#include "tests/support/turn.h"

namespace aquifer::test {

enum class Fault : std::uint8_t {
  kNone,
  kReadError,
  kEarlyFin,   // the end where more was due
  kReadStall,  // nothing comes any more, until a stop
  kWriteError,
  kPartialWrite,  // some of the bytes are taken, then an error
  kWriteStall,
  kShutdownError,
};

struct FaultPlan {
  Fault fault = Fault::kNone;
  std::size_t at_step = 0;  // how many calls of that kind go well before
  Error error{Reason::kPeerReset};
  unsigned short_percent = 0;
  unsigned turn_percent = 0;

  static FaultPlan Draw(Dice& dice, bool with_fault) {
    FaultPlan plan;
    plan.short_percent = dice.Pick({0U, 30U, 100U});
    plan.turn_percent = dice.Pick({0U, 20U, 60U});
    if (!with_fault) return plan;
    plan.fault = static_cast<Fault>(1 + dice.Below(7));
    plan.at_step = plan.fault == Fault::kShutdownError ? 0 : dice.Below(6);
    plan.error = dice.Pick({Error{Reason::kPeerReset, 104}, Error{Reason::kSystem, 28},
                            Error{Reason::kTlsFailed}, Error{Reason::kTimeout, 110}});
    return plan;
  }
};

class FaultStream final : public io::Stream {
 public:
  // `complaints` outlives the stream.
  FaultStream(io::StreamPtr inner, const FaultPlan& plan, std::uint64_t seed,
              std::vector<std::string>& complaints)
      : inner_(std::move(inner)), plan_(plan), dice_(seed), complaints_(complaints) {}
  ~FaultStream() override {
    if (reading_ || writing_) Complain("destroyed while a call is outstanding");
  }

  // Whether the fault has happened.
  bool fired() const { return fired_; }

  Task<Result<Chunk>> Read(StopToken stop) override {
    if (std::exchange(reading_, true)) Complain("two readers");
    if (read_over_) Complain("read again after the end");
    Result<Chunk> got = co_await ReadOnce(stop);
    if (!got || got->empty()) read_over_ = true;
    reading_ = false;
    co_return got;
  }

  Task<Status> Write(Chunk chunk, StopToken stop) override {
    if (std::exchange(writing_, true)) Complain("two writers");
    if (write_over_) Complain("written to after the end");
    if (chunk.empty()) Complain("an empty chunk was written");
    const Status sent = co_await WriteOnce(std::move(chunk), stop);
    if (!sent) write_over_ = true;
    writing_ = false;
    co_return sent;
  }

  Task<Status> ShutdownWrite(StopToken stop) override {
    if (std::exchange(writing_, true)) Complain("shut down while writing");
    co_await Pause();
    Status shut;
    if (Fires(Fault::kShutdownError)) {
      shut = plan_.error;
    } else {
      shut = co_await inner_->ShutdownWrite(stop);
    }
    write_over_ = true;
    writing_ = false;
    co_return shut;
  }

  void Reset() override { inner_->Reset(); }

 private:
  void Complain(const std::string& what) { complaints_.push_back("stream: " + what); }
  // Counts the calls of each kind; only those of the planned kind come here with its fault.
  bool Fires(Fault fault) {
    if (plan_.fault != fault || fired_) return false;
    if (step_++ < plan_.at_step) return false;
    fired_ = true;
    return true;
  }
  Task<void> Pause() {
    while (dice_.Chance(plan_.turn_percent)) co_await Turn();
  }
  Task<Status> Stall(StopToken stop) { co_return co_await never_.Wait(stop); }

  Task<Result<Chunk>> ReadOnce(StopToken stop) {
    co_await Pause();
    if (Fires(Fault::kReadError)) co_return plan_.error;
    if (Fires(Fault::kEarlyFin)) co_return Chunk();
    if (Fires(Fault::kReadStall)) {
      const Status stalled = co_await Stall(stop);
      co_return stalled.error();
    }
    if (rest_.empty()) {
      Result<Chunk> got = co_await inner_->Read(stop);
      if (!got || got->empty()) co_return got;
      rest_ = *std::move(got);
    }
    if (!dice_.Chance(plan_.short_percent)) co_return std::exchange(rest_, Chunk());
    const std::size_t size = 1 + dice_.Below(std::min<std::size_t>(rest_.size(), 4000));
    Chunk part = rest_.Slice(0, size);
    rest_.RemovePrefix(size);
    co_return part;
  }

  Task<Status> WriteOnce(Chunk chunk, StopToken stop) {
    co_await Pause();
    if (Fires(Fault::kWriteError)) co_return plan_.error;
    if (Fires(Fault::kWriteStall)) co_return co_await Stall(stop);
    if (Fires(Fault::kPartialWrite)) {
      Chunk part = chunk.Slice(0, dice_.Below(chunk.size()));
      if (!part.empty()) std::ignore = co_await inner_->Write(std::move(part), stop);
      co_return plan_.error;
    }
    const Status sent = co_await inner_->Write(std::move(chunk), stop);
    co_await Pause();
    co_return sent;
  }

  io::StreamPtr inner_;
  FaultPlan plan_;
  Dice dice_;
  std::vector<std::string>& complaints_;
  Chunk rest_;
  Event never_;
  std::size_t step_ = 0;
  bool fired_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool read_over_ = false;
  bool write_over_ = false;
};

}  // namespace aquifer::test
