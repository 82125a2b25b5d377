#include "node-proxy/acceptor.h"

#include <utility>

#include "core/rt/timer.h"
#include "redirect/hand_over.h"

namespace aquifer::node {
namespace {

// Out of descriptors: the queue of the kernel keeps new connections meanwhile, the old ones go on.
constexpr auto kOverloadPause = std::chrono::milliseconds(50);
constexpr auto kBetweenWorkers = std::chrono::milliseconds(10);

}  // namespace

Acceptor::Acceptor(WorkerContext& context, PodEndpoint& pod, UniqueFd listening)
    : context_(context),
      pod_(pod),
      listener_(std::make_unique<io::Listener>(std::move(listening))) {
  if (context_.config.reuse_port) redirect::TakePart(listener_->fd());
  context_.limits.node.Reserve(1);
}

Acceptor::~Acceptor() { context_.limits.node.Release(1); }

Task<void> Acceptor::Run(Ending& ending, Take take) {
  StopSource either(ending.drain());
  const StopLink stopped(ending.stop(), either);
  co_await TakeUntil(either.token(), take);
  if (ending.has_last_arrivals()) co_await TakeLast(ending.stop(), take);
  // What makes connections pass us by counts by places, and those change when listeners close.
  const bool last = context_.index + 1 >= context_.config.workers;
  if (ending.handed_over() && last) redirect::TakePart(listener_->fd());
  listener_.reset();  // closed at once, so that the other proxy of an upgrade gets what comes
}

Task<void> Acceptor::TakeUntil(StopToken over, const Take& take) {
  while (true) {
    Result<io::SocketPtr> socket = co_await listener_->Accept(over);
    if (socket.ok()) {
      if (!pod_.limits().Count(**socket)) {
        (*socket)->Reset();
        continue;
      }
      take(*std::move(socket));
      continue;
    }
    if (over.requested()) break;
    if (socket.error().reason == Reason::kOverload) {
      context_.log.Warn("proxy", "out of descriptors or memory: new connections wait",
                        {{"pod", pod_.name().name}});
    }
    const Status paused = co_await SleepFor(kOverloadPause, over);
    if (!paused) break;
  }
}

Task<void> Acceptor::TakeLast(StopToken stop, const Take& take) {
  const Status passed = redirect::PassBy(listener_->fd(), context_.config.workers);
  if (!passed) {
    context_.log.Warn("proxy", "connections that arrive as the listener closes may be reset",
                      {{"pod", pod_.name().name}, {"error", Describe(passed.error())}});
  }
  // One worker after the other, so that the last one knows that it is.
  const Clock::duration patience = Ending::kLastArrivals + context_.index * kBetweenWorkers;
  TimedStop timed(stop, patience, Reason::kDrained);
  co_await TakeUntil(timed.token(), take);
}

}  // namespace aquifer::node
