#include "redirect/cni_client.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "core/rt/timer.h"

namespace aquifer::redirect {
namespace {

constexpr std::string_view kScope = "zds";
constexpr Clock::duration kConnectTimeout = std::chrono::seconds(5);

}  // namespace

Task<void> CniClient::Run(StopToken stop) {
  backoff_ = options_.first_backoff;
  while (!stop.requested()) {
    TimedStop timed(stop, kConnectTimeout, Reason::kConnectTimeout);
    Result<io::SeqpacketSocketPtr> agent =
        co_await io::ConnectSeqpacket(options_.path, timed.token());
    timed.Disarm();
    if (agent) {
      const Status ended = co_await Serve(**agent, stop);
      if (!stop.requested()) {
        log_.Limited(limiter_, obs::Level::kWarn, kScope, "the node agent is gone",
                     {{"path", options_.path}, {"error", Describe(ended.error())}});
      }
    } else if (!stop.requested()) {
      log_.Limited(limiter_, obs::Level::kWarn, kScope, "cannot reach the node agent",
                   {{"path", options_.path}, {"error", Describe(agent.error())}});
    }
    std::ignore = co_await WaitBackoff(stop);
  }
}

// Doubles from one attempt to the next; a connection that got through its snapshot starts anew.
Task<Status> CniClient::WaitBackoff(StopToken stop) {
  const Clock::duration wait = backoff_;
  backoff_ = std::min(backoff_ * 2, options_.longest_backoff);
  const Status slept = co_await SleepFor(wait, stop);
  if (slept) co_await RetryPending(stop);
  co_return slept;
}

Task<Status> CniClient::Serve(io::SeqpacketSocket& agent, StopToken stop) {
  ++counters_.connections;
  state_.OnConnected();
  TimedStop timed(stop, options_.send_timeout, Reason::kTimeout);
  Status status = co_await agent.Send(EncodeHello(), -1, timed.token());
  timed.Disarm();
  while (status) {
    status = co_await ServeNext(agent, stop);
    Publish();
    if (state_.snapshot_complete()) backoff_ = options_.first_backoff;
  }
  state_.OnDisconnected();
  Publish();
  co_return status;
}

// One request and its acknowledgement, or a retry of pending pods when that is due first.
Task<Status> CniClient::ServeNext(io::SeqpacketSocket& agent, StopToken stop) {
  co_await RetryPending(stop);
  Publish();
  std::optional<TimedStop> until_retry;
  if (retry_at_) {
    until_retry.emplace(stop, *retry_at_ - Loop::Current().now(), Reason::kTimeout);
  }
  const StopToken waits = until_retry ? until_retry->token() : stop;
  const io::SeqpacketSocket::Limits limits{kMaxZdsPacket, kMaxZdsDescriptors};
  Result<io::SeqpacketSocket::Packet> packet = co_await agent.Receive(limits, waits);
  until_retry.reset();
  if (!packet) {
    if (packet.error().reason == Reason::kTimeout && !stop.requested()) co_return Status();
    if (packet.error().reason == Reason::kBadRequest) {
      co_return BreaksProtocol(
          Refusal{"packet", "is over 1024 bytes, or brings more descriptors than one"});
    }
    co_return packet.error();
  }
  ++counters_.requests;
  Decoded<ZdsRequest> request =
      DecodeRequest(AsBytes(packet->bytes), std::move(packet->descriptors));
  if (!request) co_return BreaksProtocol(request.error());
  const Decoded<std::string> error = co_await Handle(*std::move(request), stop);
  if (!error) co_return BreaksProtocol(error.error());
  TimedStop timed(stop, options_.send_timeout, Reason::kTimeout);
  co_return co_await agent.Send(EncodeAck(*error), -1, timed.token());
}

// The error text to acknowledge with, or why the request breaks the protocol.
Task<Decoded<std::string>> CniClient::Handle(ZdsRequest request, StopToken stop) {
  log_.Debug(kScope, "request", {{"kind", RequestWord(request)}});
  const auto* const add = std::get_if<AddPod>(&request);
  const std::string uid = add == nullptr ? "" : add->uid;
  Decoded<ZdsProxy::Steps> steps = Judge(std::move(request));
  if (!steps) co_return steps.error();
  if (!steps->error.empty()) {
    ++counters_.refused_pods;
    log_.Limited(limiter_, obs::Level::kError, kScope, "the node agent sent an unusable pod",
                 {{"uid", uid}, {"refused", steps->error}});
  }
  co_return co_await CarryOut(*std::move(steps), stop);
}

Decoded<ZdsProxy::Steps> CniClient::Judge(ZdsRequest request) {
  if (auto* const add = std::get_if<AddPod>(&request)) {
    Result<NetnsRef> netns = Netns::FromFd(std::move(add->netns));
    if (!netns) return state_.OnUnusableAdd(add->uid, Describe(netns.error()));
    if (!(*netns)->CheckKind()) {
      return state_.OnUnusableAdd(add->uid, "the descriptor is not of a network namespace");
    }
    return state_.OnAdd(
        Pod{.uid = add->uid, .info = std::move(add->info), .netns = *std::move(netns)});
  }
  if (const auto* const keep = std::get_if<KeepPod>(&request)) return state_.OnKeep(keep->uid);
  if (const auto* const del = std::get_if<DelPod>(&request)) return state_.OnDel(del->uid);
  return state_.OnSnapshotSent();
}

Task<std::string> CniClient::CarryOut(ZdsProxy::Steps steps, StopToken stop) {
  for (std::string& uid : steps.stop) {
    log_.Info(kScope, "pod ends", {{"uid", uid}});
    co_await handler_.StopPod(std::move(uid));
  }
  if (!steps.start) co_return std::move(steps.error);
  co_return co_await Start(*std::move(steps.start), stop);
}

Task<std::string> CniClient::Start(Pod pod, StopToken stop) {
  const std::string uid = pod.uid;
  const std::string name = pod.info.ns + "/" + pod.info.name;
  const Result<void, std::string> started = co_await handler_.StartPod(std::move(pod), stop);
  if (started) {
    state_.Started(uid);
    log_.Info(kScope, "pod served", {{"uid", uid}, {"pod", name}});
    co_return std::string();
  }
  ++counters_.failed_starts;
  state_.FailedToStart(uid);
  if (!retry_at_) retry_at_ = Loop::Current().now() + options_.retry_pending_after;
  log_.Limited(limiter_, obs::Level::kError, kScope, "pod cannot be served, will be tried again",
               {{"uid", uid}, {"pod", name}, {"error", started.error()}});
  co_return started.error();
}

Task<void> CniClient::RetryPending(StopToken stop) {
  if (!retry_at_ || Loop::Current().now() < *retry_at_) co_return;
  retry_at_.reset();  // set again by whatever fails again
  std::vector<Pod> pending = state_.Pending();
  for (Pod& pod : pending) {
    if (stop.requested()) co_return;
    std::ignore = co_await Start(std::move(pod), stop);
  }
  Publish();
}

Status CniClient::BreaksProtocol(const Refusal& refusal) {
  ++counters_.protocol_errors;
  log_.Limited(limiter_, obs::Level::kError, kScope, "the node agent broke the protocol",
               {{"refused", refusal.ToString()}});
  return Error{Reason::kBadRequest};
}

void CniClient::Publish() {
  counters_.running_pods = state_.running();
  counters_.pending_pods = state_.pending();
  ready_ = state_.ready();
}

}  // namespace aquifer::redirect
