#include "waypoint/exchange.h"

#include <algorithm>
#include <charconv>

#include "core/io/copy.h"
#include "waypoint/failure.h"
#include "waypoint/filters/cors.h"
#include "waypoint/filters/header_modifier.h"
#include "waypoint/head_edit.h"
#include "waypoint/policy_watch.h"

namespace aquifer::waypoint {
namespace {

using std::chrono::milliseconds;

milliseconds Since(TimePoint start) {
  return std::chrono::duration_cast<milliseconds>(Loop::Current().now() - start);
}

// RFC 9110 section 9.2.2.
bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PUT" ||
         method == "DELETE" || method == "TRACE";
}

}  // namespace

Exchange::Exchange(const ExchangeParts& parts, const ConnectionContext& connection,
                   Downstream& downstream)
    : parts_(parts),
      connection_(connection),
      downstream_(downstream),
      rules_(parts.rules.current()),
      started_(Loop::Current().now()),
      head_(downstream.TakeHead()) {
  record_.method = head_.method;
  record_.path = head_.path;
  record_.authority = head_.authority;
  record_.protocol = downstream.protocol();
  record_.user_agent = head_.headers.Get("user-agent").value_or("");
  record_.forwarded_for = head_.headers.Get("x-forwarded-for").value_or("");
  // A denied request, too, is counted for the service that was addressed.
  if (connection.destination) record_.service = connection.destination->service;
  record_.grpc = IsGrpc(head_.headers);
}

Task<void> Exchange::Run(StopToken stop) {
  const AdmissionInput input{parts_, connection_, *rules_, downstream_.asks_for_upgrade()};
  admitted_ = Admit(input, head_, record_);
  if (admitted_.reply) {
    LocalReply reply = *std::move(admitted_.reply);
    co_await Reply(std::move(reply), stop);
  } else {
    mirrors_.Start(parts_.upstream, std::move(admitted_.mirrors), downstream_.body(),
                   record_.protocol == "HTTP/2");
    co_await Forward(stop);
  }
  Finish();
}

Task<void> Exchange::Forward(StopToken stop) {
  TimedStop whole(stop, admitted_.deadlines.whole, Reason::kTimeout);
  if (admitted_.deadlines.whole.count() == 0) whole.Disarm();
  StopSource all(whole.token());
  const StopLink gone(downstream_.gone(), all);
  whole_ = &whole;
  // The stream of an upgraded connection goes elsewhere, and must not be in use then.
  if (!has_body() && !admitted_.upgrade) {
    watching_.Spawn(downstream_.WatchClient(watch_end_.token()));
  }
  Outcome outcome = co_await TryOnce(all.token());
  while (outcome == Outcome::kTryAgain) {
    const RouteRule* const rule = this->rule();
    const bool pause = rule != nullptr && rule->retry;
    if (pause) (void)co_await SleepFor(rule->retry->backoff, all.token());
    outcome = co_await TryOnce(all.token());
  }
  watch_end_.RequestStop();
  co_await watching_.Join();
  whole_ = nullptr;
}

Task<Exchange::Outcome> Exchange::TryOnce(StopToken whole) {
  ++tries_;
  UpstreamRequest request;
  if (record_.service) {
    request.destination.service = admitted_.action.destination;
  } else {
    request.destination = *connection_.destination;
  }
  request.client = connection_.peer ? &*connection_.peer : nullptr;
  request.client_address = connection_.peer_address;
  request.client_speaks_h2 = record_.protocol == "HTTP/2";
  request.may_repeat = MayRepeat();
  request.fresh = kept_failed_;
  request.random = parts_.random();
  request.tried = failed_endpoints_;
  Result<UpstreamCallPtr> call =
      co_await parts_.upstream.Open(std::move(request), record_.endpoint, whole);
  if (!call) {
    const ReplyKind kind = ReplyForNoCall(call.error());
    const bool hopeless = kind == ReplyKind::kNoHealthyUpstream || kind == ReplyKind::kInvalidRoute;
    co_return co_await FailTry(kind, !hopeless, whole);
  }
  const Outcome outcome = co_await Send(**call, whole);
  co_return outcome;
}

Task<Exchange::Outcome> Exchange::Send(UpstreamCall& call, StopToken whole) {
  TimedStop each(whole, admitted_.deadlines.each, Reason::kTimeout);
  if (admitted_.deadlines.each.count() == 0) each.Disarm();
  StopSource both(each.token());
  sent_at_ = Loop::Current().now();

  http::RequestHead head_to_send = head_;
  head_to_send.headers.Remove("expect");
  const http::BodyLength length = downstream_.body();
  const Status sent =
      co_await call.SendHead(std::move(head_to_send), length, admitted_.upgrade, both.token());
  if (!sent) {
    kept_failed_ = call.reused();
    co_return co_await FailTry(ReplyForFailure(sent.error()), kept_failed_ && MayRepeat(), whole);
  }
  Scope pumps;
  if (has_body()) {
    const Status told = co_await downstream_.Continue(both.token());
    if (!told) co_return GiveUp();
    pumps.Spawn(PumpRequest(call, both));
  }
  Result<http::ResponseHead> head = co_await call.ReadHead(both.token());
  Outcome outcome = Outcome::kDone;
  if (!head) {
    both.RequestStop(head.error().reason);
    co_await pumps.Join();
    kept_failed_ = call.reused();
    const bool repeat = MayRepeat() && head.error().reason != Reason::kTimeout && kept_failed_;
    co_return co_await FailTry(ReplyForFailure(head.error()), repeat, whole);
  }
  // Without a retry policy the backend's timeout is for the whole of its response.
  if (rule() != nullptr && rule()->retry) each.Disarm();
  if (head->status == 101 && !admitted_.upgrade) {
    both.RequestStop(Reason::kHttpFailed);
    co_await pumps.Join();
    co_return co_await FailTry(ReplyKind::kUpstreamProtocol, false, whole);
  }
  if (head->status == 101) {
    each.Disarm();
    co_await Tunnel(call, *std::move(head), whole);
  } else {
    outcome = co_await Answer(call, *std::move(head), both.token());
  }
  both.RequestStop(Reason::kStopped);
  co_await pumps.Join();
  co_return outcome;
}

Exchange::Outcome Exchange::GiveUp() {
  client_gone_ = true;
  return Outcome::kDone;
}

Task<void> Exchange::PumpRequest(UpstreamCall& call, StopSource& both) {
  while (true) {
    body_touched_ = true;
    Result<Chunk> got = co_await downstream_.ReadBody(both.token());
    if (!got) {
      if (both.requested()) co_return;
      client_gone_ = true;
      both.RequestStop(Reason::kPeerReset);
      co_return;
    }
    if (got->empty()) break;
    record_.request_bytes += got->size();
    if (record_.grpc) request_messages_.Take(got->bytes());
    mirrors_.Body(*got);
    // A backend may answer without having read everything: what it says is still to be read.
    const Status sent = co_await call.WriteBody(*std::move(got), both.token());
    if (!sent) co_return;
  }
  http::HeaderList trailers = downstream_.trailers();
  mirrors_.End(trailers);
  const Status ended = co_await call.EndBody(std::move(trailers), both.token());
  if (ended) co_await downstream_.WatchClient(both.token());
}

Task<Exchange::Outcome> Exchange::Answer(UpstreamCall& call, http::ResponseHead head,
                                         StopToken stop) {
  const RouteRule* const rule = this->rule();
  if (rule != nullptr && rule->retry && may_try_again() && !body_touched_) {
    const std::vector<int>& codes = rule->retry->codes;
    if (std::find(codes.begin(), codes.end(), head.status) != codes.end()) {
      failed_endpoints_.push_back(record_.endpoint.key);
      co_return Outcome::kTryAgain;
    }
  }
  record_.upstream_time = Since(sent_at_);
  http::RemoveHopByHop(head.headers);
  if (!EditResponseHead(head)) {
    co_await Reply(MakeReply(ReplyKind::kUpstreamProtocol), stop);
    co_return Outcome::kDone;
  }
  http::BodyLength length = call.body();
  if (length.kind == http::BodyKind::kUntilClose) length = http::BodyLength::Chunked();
  responded_ = true;
  record_.status = head.status;
  record_.details = "via_upstream";
  const Status sent = co_await downstream_.Respond(std::move(head), length, stop);
  if (!sent) {
    client_gone_ = true;
    co_return Outcome::kDone;
  }
  co_await PumpResponse(call, stop);
  co_return Outcome::kDone;
}

Task<void> Exchange::PumpResponse(UpstreamCall& call, StopToken stop) {
  while (true) {
    Result<Chunk> got = co_await call.ReadBody(stop);
    if (!got) {
      record_.flags = got.error().reason == Reason::kTimeout ? "UT" : "UC";
      downstream_.Abort();
      co_return;
    }
    if (got->empty()) break;
    record_.response_bytes += got->size();
    if (record_.grpc) response_messages_.Take(got->bytes());
    const Status sent = co_await downstream_.WriteBody(*std::move(got), stop);
    if (!sent) {
      client_gone_ = !stop.requested();
      record_.flags = client_gone_ ? "DC" : "UT";
      downstream_.Abort();
      co_return;
    }
  }
  http::HeaderList trailers = call.TakeTrailers();
  if (const auto status = trailers.Get("grpc-status")) {
    std::from_chars(status->data(), status->data() + status->size(), record_.grpc_status);
  }
  const Status ended = co_await downstream_.EndBody(std::move(trailers), stop);
  if (!ended) downstream_.Abort();
  complete_ = ended.ok();
}

Task<void> Exchange::Tunnel(UpstreamCall& call, http::ResponseHead head, StopToken stop) {
  whole_->Disarm();  // what follows is not a response that could be late
  // Policies may have changed while the backend thought.
  PolicyWatch watch(
      parts_.rules,
      [this](const Rules& now) {
        return DenyRequest(now, connection_, admitted_.judged, admitted_.remote_ip);
      },
      stop);
  if (watch.denied()) {
    LocalReply denial = MakeReply(ReplyKind::kDenied);
    denial.details = *watch.denied();
    co_return co_await Reply(std::move(denial), stop);
  }
  const std::string protocol(head.headers.Get("upgrade").value_or(""));
  http::RemoveHopByHop(head.headers);
  (void)EditResponseHead(head);
  (void)head.headers.Set("connection", "upgrade");
  if (!protocol.empty()) (void)head.headers.Set("upgrade", protocol);
  responded_ = true;
  record_.status = 101;
  record_.details = "via_upstream";
  const Status sent = co_await downstream_.Respond(std::move(head), http::BodyLength::None(), stop);
  if (!sent) {
    client_gone_ = true;
    co_return;
  }
  const io::StreamPtr client = downstream_.TakeTunnel();
  const io::StreamPtr backend = call.TakeTunnel();
  if (client == nullptr || backend == nullptr) co_return downstream_.Abort();
  io::CopyTotals totals;
  (void)co_await io::CopyBothWays(*client, *backend, totals, watch.token());
  if (watch.denied()) record_.details = *watch.denied();
  complete_ = true;
  record_.request_bytes = totals.a_to_b_bytes;
  record_.response_bytes = totals.b_to_a_bytes;
}

// One try did not lead to a response.
Task<Exchange::Outcome> Exchange::FailTry(ReplyKind kind, bool worth_it, StopToken stop) {
  if (client_gone_ || downstream_.gone().requested()) {
    client_gone_ = true;
    co_return Outcome::kDone;
  }
  failed_endpoints_.push_back(record_.endpoint.key);
  if (worth_it && !stop.requested() && may_try_again()) co_return Outcome::kTryAgain;
  if (stop.requested() && stop.reason() != Reason::kTimeout) {
    downstream_.Abort();
    co_return Outcome::kDone;
  }
  // The deadline has passed, and the reply must not wait for it.
  co_await Reply(MakeReply(kind), StopToken());
  co_return Outcome::kDone;
}

Task<void> Exchange::Reply(LocalReply reply, StopToken stop) {
  record_.flags = reply.flags;
  record_.details = reply.details;
  record_.status = record_.grpc ? 200 : reply.status;
  if (record_.grpc) record_.grpc_status = reply.grpc_status;
  downstream_.AbandonBody();
  http::ResponseHead head = ReplyHead(reply, record_.grpc, parts_.date.At(parts_.unix_seconds()));
  const bool with_body = !record_.grpc && !reply.body.empty();
  if (record_.protocol == "HTTP/1.0" || reply.kind == ReplyKind::kBadRequest) {
    (void)head.headers.Set("connection", "close");
  }
  responded_ = true;
  const http::BodyLength length =
      with_body ? http::BodyLength::Of(reply.body.size()) : http::BodyLength::None();
  TimedStop patience(stop, std::chrono::seconds(10), Reason::kTimeout);
  Status sent = co_await downstream_.Respond(std::move(head), length, patience.token());
  if (sent && with_body && head_.method != "HEAD") {
    record_.response_bytes = reply.body.size();
    Chunk body = Chunk::CopyOf(reply.body);
    sent = co_await downstream_.WriteBody(std::move(body), patience.token());
  }
  http::HeaderList none;
  if (sent) sent = co_await downstream_.EndBody(std::move(none), patience.token());
  if (!sent) client_gone_ = true;
  complete_ = sent.ok();
}

bool Exchange::EditResponseHead(http::ResponseHead& head) {
  const std::string_view date = parts_.date.At(parts_.unix_seconds());
  if (const auto status = head.headers.Get("grpc-status")) {
    std::from_chars(status->data(), status->data() + status->size(), record_.grpc_status);
  }
  if (!EditResponse(record_.upstream_time.count() < 0 ? Since(sent_at_) : record_.upstream_time,
                    date, head.headers)) {
    return false;
  }
  const RouteRule* const rule = this->rule();
  if (rule == nullptr) return true;
  const Backend* const backend = admitted_.action.backend;
  if (backend != nullptr && !ModifyResponse(backend->filters.response_headers, head.headers)) {
    return false;
  }
  if (!ModifyResponse(rule->filters.response_headers, head.headers)) return false;
  const std::optional<std::string_view> origin = head_.headers.Get("origin");
  return !rule->filters.cors || !origin || MarkResponse(*rule->filters.cors, *origin, head.headers);
}

// Whether sending the request a second time can do no harm and is possible.
bool Exchange::MayRepeat() const {
  return IsIdempotent(head_.method) && !body_touched_ && !has_body() && !admitted_.upgrade;
}

void Exchange::Finish() {
  if (downstream_.gone().requested() && !complete_) client_gone_ = true;
  if (client_gone_) {
    record_.flags = "DC";
    if (!responded_) record_.details = "downstream_remote_disconnect";
    downstream_.Abort();
  }
  record_.request_messages = request_messages_.count();
  record_.response_messages = response_messages_.count();
  record_.duration = Since(started_);
  if (parts_.observe) parts_.observe(connection_, record_);
}

}  // namespace aquifer::waypoint
