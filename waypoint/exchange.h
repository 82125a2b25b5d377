// One request and its response, from the client's head to the last trailer: judged, routed, sent to
// a backend, and answered. Bodies stream in both directions at once. Lives for the request; one
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "waypoint/admission.h"
#include "waypoint/connection_context.h"
#include "waypoint/downstream.h"
#include "waypoint/grpc_messages.h"
#include "waypoint/local_reply.h"
#include "waypoint/mirror.h"
#include "waypoint/request_record.h"

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

  Task<void> Forward(StopToken stop);
  Task<Outcome> TryOnce(StopToken whole);
  Task<Outcome> Send(UpstreamCall& call, StopToken whole);
  Task<void> PumpRequest(UpstreamCall& call, StopSource& both);
  Task<void> PumpResponse(UpstreamCall& call, StopToken stop);
  Task<Outcome> Answer(UpstreamCall& call, http::ResponseHead head, StopToken stop);
  Task<void> Tunnel(UpstreamCall& call, http::ResponseHead head, StopToken stop);
  Task<Outcome> FailTry(ReplyKind kind, bool worth_it, StopToken stop);
  Task<void> Reply(LocalReply reply, StopToken stop);
  Outcome GiveUp();
  bool EditResponseHead(http::ResponseHead& head);
  bool MayRepeat() const;
  bool may_try_again() const { return tries_ < admitted_.deadlines.tries; }
  bool has_body() const { return downstream_.body().kind != http::BodyKind::kNone; }
  const RouteRule* rule() const { return admitted_.action.matched.rule; }
  void Finish();

  const ExchangeParts& parts_;
  const ConnectionContext& connection_;
  Downstream& downstream_;
  const RulesRef rules_;  // one state of the configuration for the whole request
  const TimePoint started_;
  http::RequestHead head_;
  Admitted admitted_;
  RequestRecord record_;
  GrpcMessages request_messages_;
  GrpcMessages response_messages_;
  Mirrors mirrors_;
  bool responded_ = false;
  bool complete_ = false;  // the response, to its end
  bool client_gone_ = false;
  bool kept_failed_ = false;   // a connection that had been kept
  bool body_touched_ = false;  // bytes of the request's body have been taken from the client
  std::uint32_t tries_ = 0;
  std::vector<std::string> failed_endpoints_;
  TimePoint sent_at_{};
  TimedStop* whole_ = nullptr;  // while Forward runs
  StopSource watch_end_;
  Scope watching_;  // of the client, while the response is awaited
};

}  // namespace aquifer::waypoint
