#include "redirect/cni_server.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "core/base/check.h"
#include "core/rt/timer.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kScope = "zds";
constexpr io::SeqpacketSocket::Limits kLimits{kMaxZdsPacket, 0};  // proxies send no descriptors

// Stops `over` when the socket has something to read, so that who waits for work hears of it.
Task<void> Watch(io::SeqpacketSocket& socket, StopSource& over) {
  const Status readable = co_await socket.WaitReadable(over.token());
  if (readable) over.RequestStop(Reason::kPeerClosed);
}

}  // namespace

Status CniServer::Listen() {
  AQ_TRY(listener_, io::SeqpacketListener::Listen(options_.path));
  return {};
}

Task<void> CniServer::Run(StopToken stop) {
  Scope scope;
  while (!stop.requested()) {
    Result<io::SeqpacketSocketPtr> socket = co_await listener_->Accept(stop);
    if (socket && serving_ < kMaxProxies) {
      scope.Spawn(Serve(*std::move(socket), stop));
    } else if (!stop.requested()) {
      ++counters_.refused_connections;
      log_.Limited(limiter_, obs::Level::kError, kScope, "a proxy was not accepted",
                   {{"error", socket ? "too many are connected" : Describe(socket.error())}});
    }
    std::ignore = co_await SleepFor(options_.accept_interval, stop);
  }
  co_await scope.Join();
}

Task<void> CniServer::Serve(io::SeqpacketSocketPtr socket, StopToken stop) {
  ++serving_;
  ++counters_.connections;
  Proxy proxy{.socket = std::move(socket), .number = next_number_++};
  Status status = co_await Greet(proxy, stop);
  if (status) {
    proxies_.push_back(&proxy);
    log_.Info(kScope, "proxy connected", {{"proxy", proxy.number}});
    progress_.Wake();
    status = co_await KeepTold(proxy, stop);
    std::erase(proxies_, &proxy);
    // Another one may be the newest now, and has to be told what this one was.
    WakeAll();
    progress_.Wake();
  }
  --serving_;
  if (stop.requested()) co_return;
  // It owed us nothing, as a proxy that ends in order.
  if (status.error().reason == Reason::kPeerClosed && !proxy.agent.outstanding()) {
    log_.Info(kScope, "proxy disconnected", {{"proxy", proxy.number}, {"others", proxies_.size()}});
    co_return;
  }
  if (status.error().reason == Reason::kTimeout) ++counters_.timeouts;
  log_.Limited(limiter_, obs::Level::kWarn, kScope, "proxy gone",
               {{"proxy", proxy.number}, {"error", Describe(status.error())}});
}

Task<Result<io::SeqpacketSocket::Packet>> CniServer::Receive(Proxy& proxy, StopToken stop) {
  Result<io::SeqpacketSocket::Packet> packet = co_await proxy.socket->Receive(kLimits, stop);
  if (!packet && packet.error().reason == Reason::kBadRequest) {
    std::ignore =
        BreaksProtocol(proxy, Refusal{"packet", "is over 1024 bytes, or brings descriptors"});
  }
  co_return packet;
}

Task<Status> CniServer::Greet(Proxy& proxy, StopToken stop) {
  TimedStop timed(stop, options_.exchange_timeout, Reason::kTimeout);
  const auto packet = co_await Receive(proxy, timed.token());
  if (!packet) co_return packet.error();
  const Result<void, Refusal> hello = DecodeHello(AsBytes(packet->bytes));
  if (!hello) co_return BreaksProtocol(proxy, hello.error());
  co_return Status();
}

Task<Status> CniServer::KeepTold(Proxy& proxy, StopToken stop) {
  while (true) {
    proxy.work.Reset();
    std::optional<ZdsAgent::Outgoing> next =
        proxy.agent.Next(pods_, RoleOf(proxy), Loop::Current().now());
    for (const ZdsAgent::Outcome& outcome : proxy.agent.TakeUnsendable()) Report(proxy, outcome);
    if (next) {
      AQ_CO_TRY_STATUS(co_await Exchange(proxy, *std::move(next), stop));
    } else {
      AQ_CO_TRY_STATUS(co_await WaitForWork(proxy, stop));
    }
  }
}

Task<Status> CniServer::Exchange(Proxy& proxy, ZdsAgent::Outgoing request, StopToken stop) {
  TimedStop timed(stop, options_.exchange_timeout, Reason::kTimeout);
  const int descriptor = request.netns == nullptr ? -1 : request.netns->fd();
  const Status sent =
      co_await proxy.socket->Send(std::move(request.packet), descriptor, timed.token());
  if (!sent) co_return sent;
  const auto packet = co_await Receive(proxy, timed.token());
  if (!packet) co_return packet.error();
  Decoded<std::string> error = DecodeAck(AsBytes(packet->bytes));
  if (!error) co_return BreaksProtocol(proxy, error.error());
  Report(proxy, proxy.agent.Acknowledged(*std::move(error), Loop::Current().now()));
  co_return Status();
}

// Until the pods have changed, a retry is due, or the proxy has gone or spoken out of turn.
Task<Status> CniServer::WaitForWork(Proxy& proxy, StopToken stop) {
  StopSource over(stop);
  std::optional<TimedStop> until_retry;
  if (const TimePoint retry_at = proxy.agent.retry_at(); retry_at != TimePoint::max()) {
    until_retry.emplace(over.token(), retry_at - Loop::Current().now(), Reason::kTimeout);
  }
  const StopToken waits = until_retry ? until_retry->token() : over.token();
  Scope watch;
  watch.Spawn(Watch(*proxy.socket, over));
  std::ignore = co_await proxy.work.Wait(waits);
  over.RequestStop(Reason::kStopped);  // the first reason wins
  co_await watch.Join();
  if (stop.requested()) co_return stop.error();
  if (over.reason() != Reason::kPeerClosed) co_return Status();
  co_return co_await WhatIsReadable(proxy, stop);
}

Task<Status> CniServer::WhatIsReadable(Proxy& proxy, StopToken stop) {
  TimedStop timed(stop, options_.exchange_timeout, Reason::kTimeout);
  const auto packet = co_await Receive(proxy, timed.token());
  if (!packet) co_return packet.error();
  co_return BreaksProtocol(proxy, Refusal{"packet", "came without a request"});
}

void CniServer::SetPod(Pod pod) {
  AQ_CHECK(pod.netns != nullptr);
  const auto known = pods_.find(pod.uid);
  if (known != pods_.end() && SameSandbox(known->second, pod)) return;
  pods_[pod.uid] = std::move(pod);
  WakeAll();
}

void CniServer::RemovePod(const std::string& uid) {
  if (pods_.erase(uid) > 0) WakeAll();
}

ZdsAgent::PodStanding CniServer::StandingOf(const std::string& uid) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end() || proxies_.empty()) return {};
  return proxies_.back()->agent.StandingOf(pod->second);
}

bool CniServer::AnyHolds(const std::string& uid) const {
  return std::any_of(proxies_.begin(), proxies_.end(),
                     [&](const Proxy* proxy) { return proxy->agent.Holds(uid); });
}

ProxyRole CniServer::RoleOf(const Proxy& proxy) const {
  return proxies_.back() == &proxy ? ProxyRole::kNewest : ProxyRole::kOlder;
}

void CniServer::WakeAll() {
  for (Proxy* const proxy : proxies_) proxy->work.Set();
}

void CniServer::Report(const Proxy& proxy, const ZdsAgent::Outcome& outcome) {
  progress_.Wake();
  if (outcome.error.empty()) {
    log_.Debug(kScope, "acknowledged", {{"proxy", proxy.number}, {"uid", outcome.uid}});
    return;
  }
  ++counters_.failed_pods;
  log_.Limited(limiter_, obs::Level::kError, kScope, "the proxy does not serve a pod",
               {{"proxy", proxy.number}, {"uid", outcome.uid}, {"error", outcome.error}});
}

Status CniServer::BreaksProtocol(const Proxy& proxy, const Refusal& refusal) {
  ++counters_.protocol_errors;
  log_.Limited(limiter_, obs::Level::kError, kScope, "a proxy broke the protocol",
               {{"proxy", proxy.number}, {"refused", refusal.ToString()}});
  return Error{Reason::kBadRequest};
}

}  // namespace aquifer::redirect
