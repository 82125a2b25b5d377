#include "mesh/xds_client.h"

#include <algorithm>

#include "core/rt/timer.h"

namespace aquifer::mesh {
namespace {

constexpr std::string_view kMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

}  // namespace

Task<void> XdsClient::Run(StopToken stop) {
  Clock::duration backoff = options_.first_backoff;
  while (!stop.requested()) {
    const End end = co_await RunStream(stop);
    if (stop.requested()) break;
    observer_.OnDisconnected(end.reason, end.detail);
    // A stream that worked starts over quickly; a control plane that cannot be reached is asked
    // ever more rarely.
    backoff = end.was_connected ? options_.first_backoff
                                : std::min(backoff * 2, options_.longest_backoff);
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
  if (!ended) co_return End{"Error", detail.empty() ? Describe(ended.error()) : detail, talked};
  const http::GrpcStatus& status = (*call)->status();
  if (!status.ok()) co_return End{"Error", status.ToString(), talked};
  co_return End{"Complete", {}, talked};
}

Task<Status> XdsClient::Converse(http::GrpcCall& call, std::string& detail, StopToken stop) {
  for (const DeltaDiscoveryRequest& request : state_.OnConnected()) {
    AQ_CO_TRY_STATUS(co_await call.Send(request.SerializeAsString(), stop));
  }
  observer_.OnConnected();
  while (true) {
    AQ_CO_TRY(const std::optional<std::string> message, co_await call.Receive(stop));
    if (!message) co_return Status();
    DeltaDiscoveryResponse response;
    if (!response.ParseFromString(*message)) {
      detail = "the control plane sent what is no DeltaDiscoveryResponse";
      co_return Error{Reason::kBadRequest};
    }
    observer_.OnResponse(response.type_url(), static_cast<std::size_t>(response.resources_size()),
                         static_cast<std::size_t>(response.removed_resources_size()),
                         message->size());
    Decoded<XdsState::Outcome> outcome = state_.OnResponse(response, sink_);
    if (!outcome) {
      detail = outcome.error().ToString();
      co_return Error{Reason::kBadRequest};
    }
    answered_ = true;
    for (const Refusal& refusal : outcome->refused)
      observer_.OnRefused(response.type_url(), refusal);
    AQ_CO_TRY_STATUS(co_await call.Send(outcome->answer.SerializeAsString(), stop));
    if (state_.synced() && !std::exchange(synced_told_, true)) observer_.OnSynced();
  }
}

}  // namespace aquifer::mesh
