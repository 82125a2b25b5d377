// One request and its response, from the client's head to the last trailer: judged, routed, sent to
// a backend, and answered. Bodies stream in both directions at once. Lives for the request; one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/rt/stop.h"
#include "core/rt/timer.h"
#include "waypoint/connection_context.h"
#include "waypoint/downstream.h"
#include "waypoint/local_reply.h"
#include "waypoint/request_record.h"
#include "waypoint/router.h"
#include "waypoint/upstream.h"

namespace aquifer::waypoint {

class Exchange {
 public:
  // All three outlive the exchange.
  Exchange(const ExchangeParts& parts, const ConnectionContext& connection, Downstream& downstream);

  // To the end of the response, or until the client or `stop` breaks it off. Observed once at the
  // end.
  Task<void> Run(StopToken stop);

 private:
  enum class Outcome : std::uint8_t { kDone, kTryAgain };

  // Before any backend is asked. A reply ends the request.
  std::optional<LocalReply> Admit();
  bool TakeHopByHop();
  std::optional<LocalReply> Authorize();
  std::optional<LocalReply> ChooseRoute();
  std::optional<LocalReply> ApplyRequestFilters();
  std::optional<LocalReply> SetTimeouts();

  Task<void> Forward(StopToken stop);
  Task<Outcome> TryOnce(StopToken whole);
  Task<Outcome> Send(UpstreamCall& call, StopToken whole);
  Task<void> PumpRequest(UpstreamCall& call, StopSource& both);
  Task<void> PumpResponse(UpstreamCall& call, StopToken stop);
  Task<Outcome> Answer(UpstreamCall& call, http::ResponseHead head, StopToken stop);
  Task<void> Tunnel(UpstreamCall& call, http::ResponseHead head, StopToken stop);
  Task<Outcome> FailTry(ReplyKind kind, bool may_try_again, StopToken stop);
  Task<void> Reply(LocalReply reply, StopToken stop);
  Outcome GiveUp();
  bool EditResponseHead(http::ResponseHead& head);
  bool MayRepeat() const;
  void Finish();

  const ExchangeParts& parts_;
  const ConnectionContext& connection_;
  Downstream& downstream_;
  const RulesRef rules_;  // one state of the configuration for the whole request
  const TimePoint started_;
  Ip remote_ip_;
  http::RequestHead head_;
  RouteAction action_;
  RequestRecord record_;
  bool grpc_ = false;
  bool upgrade_ = false;  // to WebSocket
  bool responded_ = false;
  bool client_gone_ = false;
  bool body_touched_ = false;  // bytes of the request's body have been taken from the client
  std::uint32_t tries_ = 0;
  std::uint32_t max_tries_ = 3;
  std::vector<std::string> failed_endpoints_;
  std::chrono::milliseconds timeout_{0};
  std::chrono::milliseconds try_timeout_{0};
  TimePoint sent_at_{};
  TimedStop* whole_ = nullptr;  // while Forward runs
};

}  // namespace aquifer::waypoint
