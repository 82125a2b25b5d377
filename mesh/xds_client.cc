#include "mesh/xds_client.h"

#include <algorithm>

#include "core/base/memory.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer::mesh {
namespace {

constexpr std::string_view kMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

using envoy::service::discovery::v3::DeltaDiscoveryRequest;

constexpr std::string_view kComplete = "Complete";
constexpr std::string_view kReconnect = "Reconnect";
constexpr std::string_view kError = "Error";

// What happens to streams that live long, such as a server or a proxy on the way that restarts; the
// others are a control plane's verdict.
bool IsOfTheConnection(const http::GrpcStatus& status) {
  return status.code == http::GrpcCode::kUnknown || status.code == http::GrpcCode::kCancelled ||
         status.code == http::GrpcCode::kDeadlineExceeded ||
         status.message.find("transport is closing") != std::string::npos;
}

// What a response of this size leaves free is worth looking for.
constexpr std::size_t kLarge = 4 << 20;

}  // namespace

Task<void> XdsClient::Run(StopToken stop) {
  Clock::duration backoff = options_.first_backoff;
  bool waited = true;
  while (!stop.requested()) {
    const End end = co_await RunStream(stop);
    if (stop.requested()) break;
    observer_.OnDisconnected(end.reason, end.detail);
    // A stream that worked starts over quickly, at once when its end was in good order, but not
    // twice in a row; a control plane that cannot be reached is asked ever more rarely.
    backoff = end.talked ? options_.first_backoff : std::min(backoff * 2, options_.longest_backoff);
    waited = !(waited && end.talked && end.reason == kComplete);
    if (!waited) continue;
    const Status slept = co_await SleepFor(backoff, stop);
    if (!slept) break;
  }
}

Task<XdsClient::End> XdsClient::RunStream(StopToken stop) {
  Result<http::H2Connection*, certs::Failure> connection = co_await channel_.Connect(stop);
  if (!connection) co_return End{"ConnectionError", connection.error().detail, false};
  http::GrpcCallSpec spec = channel_.CallSpec(std::string(kMethod));
  spec.max_message_bytes = options_.max_message_bytes;
  Result<std::unique_ptr<http::GrpcCall>> call = http::GrpcCall::Start(**connection, spec);
  if (!call) co_return End{"ConnectionError", Describe(call.error()), false};
  std::string detail;
  answered_ = false;
  const Status ended = co_await Converse(**call, detail, stop);
  // Only an answer on this very stream counts: one that accepts and hangs up is not to be hammered.
  const bool talked = answered_;
  if (!detail.empty()) co_return End{kError, detail, talked};
  if (!ended) co_return End{kReconnect, Describe(ended.error()), talked};
  const http::GrpcStatus& status = (*call)->status();
  if (status.ok()) co_return End{kComplete, {}, talked};
  co_return End{IsOfTheConnection(status) ? kReconnect : kError, status.ToString(), talked};
}

Task<Status> XdsClient::Converse(http::GrpcCall& call, std::string& detail, StopToken stop) {
  to_send_.clear();
  for (const DeltaDiscoveryRequest& request : state_.OnConnected())
    to_send_.push_back(request.SerializeAsString());
  due_.Set();
  StopSource stream(stop);
  Scope telling;
  telling.Spawn(Tell(call, stream));
  const Status ended = co_await Hear(call, detail, stream.token());
  stream.RequestStop();
  co_await telling.Join();
  co_return ended;
}

// All that is said on a stream, in order: a stream has one writer.
Task<void> XdsClient::Tell(http::GrpcCall& call, StopSource& stream) {
  while (true) {
    const Status waited = co_await due_.Wait(stream.token());
    if (!waited) break;
    due_.Reset();
    while (true) {
      std::string message;
      if (!to_send_.empty()) {
        message = std::move(to_send_.front());
        to_send_.pop_front();
      } else if (const auto wanted = state_.NextWanted()) {
        message = wanted->SerializeAsString();
      } else {
        break;
      }
      const Status sent = co_await call.Send(std::move(message), stream.token());
      if (!sent) co_return stream.RequestStop(sent.error().reason);
    }
    sent_.Wake();
  }
}

Task<Status> XdsClient::Know(std::string name, StopToken stop) {
  WantedNames::Verdict verdict = state_.Want(name, Loop::Current().now());
  while (verdict == WantedNames::Verdict::kPending) {
    due_.Set();
    AQ_CO_TRY_STATUS(co_await answered_names_.Wait(stop));
    verdict = state_.Look(name, Loop::Current().now());
  }
  if (verdict == WantedNames::Verdict::kRefused) co_return Error{Reason::kOverload};
  if (verdict == WantedNames::Verdict::kUnreadable) co_return Error{Reason::kUnreadableResource};
  co_return Status();
}

Task<Status> XdsClient::Hear(http::GrpcCall& call, std::string& detail, StopToken stop) {
  observer_.OnConnected();
  while (true) {
    AQ_CO_TRY(std::optional<std::string> message, co_await call.Receive(stop));
    if (!message) co_return Status();
    const std::optional<SplitResponse> response = Split(*message);
    if (!response) {
      detail = "the control plane sent what is no DeltaDiscoveryResponse";
      co_return Error{Reason::kBadRequest};
    }
    const std::string& type_url = response->whole.type_url();
    observer_.OnResponse(type_url, response->resources.size(),
                         static_cast<std::size_t>(response->whole.removed_resources_size()),
                         message->size());
    Decoded<XdsState::Outcome> outcome = state_.OnResponse(*response, sink_);
    if (!outcome) {
      detail = outcome.error().ToString();
      co_return Error{Reason::kBadRequest};
    }
    answered_ = true;
    for (const Refusal& refusal : outcome->refused) observer_.OnRefused(type_url, refusal);
    // The next response only once this one's answer has gone out: what waits is bounded.
    if (outcome->answered) answered_names_.Wake();
    to_send_.push_back(outcome->answer.SerializeAsString());
    due_.Set();
    while (!to_send_.empty()) {
      AQ_CO_TRY_STATUS(co_await sent_.Wait(stop));
    }
    if (state_.synced() && !std::exchange(synced_told_, true)) observer_.OnSynced();
    if (message->size() <= kLarge) continue;
    message.reset();
    GiveBackFreeMemory();
  }
}

}  // namespace aquifer::mesh
