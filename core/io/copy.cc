#include "core/io/copy.h"

#include <algorithm>

#include "core/rt/loop.h"
#include "core/rt/scope.h"

namespace aquifer::io {
namespace {

constexpr CopyLimits kNoLimits;
// Looks at the counters within the time that nothing may be handed on: it is over by one part at
// most.
constexpr int kLooks = 8;

// What the two directions share: the first error of either stops both.
class Copy final : private Timer {
 public:
  Copy(CopyTotals& totals, StopToken parent, const CopyLimits& limits)
      : both(parent), watches(both.token()), totals_(totals), limits_(limits) {
    Await(limits_.idle);
  }
  ~Copy() {
    if (armed()) Loop::Current().timers().Cancel(*this);
  }

  void Break(const Error& error) {
    if (first_error.ok()) first_error = error;
    both.RequestStop(error.reason);
  }

  // One direction carries bytes no more.
  void EndDirection() {
    if (--carrying_ == 0) return watches.RequestStop(Reason::kStopped);
    if (limits_.half_closed == Clock::duration::zero()) return;
    Await(limits_.idle == Clock::duration::zero() ? limits_.half_closed
                                                  : std::min(limits_.idle, limits_.half_closed));
  }
  bool over() const { return carrying_ == 0; }

  StopSource both;
  StopSource watches;  // stops when no direction carries bytes any more
  Status first_error;

 private:
  std::uint64_t carried() const { return totals_.a_to_b_bytes + totals_.b_to_a_bytes; }

  void Await(Clock::duration longest) {
    longest_ = longest;
    seen_ = carried();
    since_ = Loop::Current().now();
    if (longest_ != Clock::duration::zero()) LookAgain(since_);
  }

  void LookAgain(TimePoint now) {
    Loop::Current().timers().Set(*this, std::min(since_ + longest_, now + longest_ / kLooks));
  }

  void OnTimer() override {
    if (over() || both.requested()) return;
    const TimePoint now = Loop::Current().now();
    if (carried() != seen_) {
      seen_ = carried();
      since_ = now;
    } else if (now - since_ >= longest_) {
      totals_.silent = true;
      return Break(Error{Reason::kTimeout});
    }
    LookAgain(now);
  }

  CopyTotals& totals_;
  const CopyLimits& limits_;
  int carrying_ = 2;
  std::uint64_t seen_ = 0;
  TimePoint since_;
  Clock::duration longest_{};
};

Task<void> Pump(Stream& from, Stream& to, std::uint64_t& bytes, Copy& copy) {
  const StopToken stop = copy.both.token();
  while (true) {
    Result<Chunk> got = co_await from.Read(stop);
    if (!got) co_return copy.Break(got.error());
    if (got->empty()) break;  // a FIN ends one direction; the other may carry bytes for hours yet
    const std::size_t size = got->size();
    const Status sent = co_await to.Write(*std::move(got), stop);
    if (!sent) co_return copy.Break(sent.error());
    bytes += size;
  }
  const Status shut = co_await to.ShutdownWrite(stop);
  if (!shut) co_return copy.Break(shut.error());
  copy.EndDirection();
  if (copy.over()) co_return;
  // A peer that has said all may still go away, and the other end must hear of it before it has
  // something to say.
  const Status broken = co_await from.WaitBroken(copy.watches.token());
  if (!broken && !copy.watches.requested()) copy.Break(broken.error());
}

}  // namespace

Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop,
                          const CopyLimits& limits) {
  Copy copy(totals, stop, limits);
  Scope pumps;
  pumps.Spawn(Pump(a, b, totals.a_to_b_bytes, copy));
  pumps.Spawn(Pump(b, a, totals.b_to_a_bytes, copy));
  co_await pumps.Join();
  if (!copy.first_error.ok()) {
    a.Reset();
    b.Reset();
  }
  co_return copy.first_error;
}

Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop) {
  return CopyBothWays(a, b, totals, stop, kNoLimits);
}

}  // namespace aquifer::io
