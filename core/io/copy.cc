#include "core/io/copy.h"

#include "core/rt/scope.h"

namespace aquifer::io {
namespace {

// What the two directions share: the first error of either stops both.
struct Copy {
  explicit Copy(StopToken parent) : both(parent), watches(both.token()) {}

  void Break(const Error& error) {
    if (first_error.ok()) first_error = error;
    both.RequestStop(error.reason);
  }

  StopSource both;
  StopSource watches;  // stops when no direction carries bytes any more
  int carrying = 2;
  Status first_error;
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
  if (--copy.carrying == 0) co_return copy.watches.RequestStop(Reason::kStopped);
  // A peer that has said all may still go away, and the other end must hear of it before it has
  // something to say.
  const Status broken = co_await from.WaitBroken(copy.watches.token());
  if (!broken && !copy.watches.requested()) copy.Break(broken.error());
}

}  // namespace

Task<Status> CopyBothWays(Stream& a, Stream& b, CopyTotals& totals, StopToken stop) {
  Copy copy(stop);
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

}  // namespace aquifer::io
