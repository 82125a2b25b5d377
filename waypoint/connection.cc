#include "waypoint/connection.h"

#include <functional>

#include "core/http/h2_connection.h"
#include "core/io/linger.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "waypoint/exchange.h"
#include "waypoint/h1_downstream.h"
#include "waypoint/h2_downstream.h"
#include "waypoint/prefixed_stream.h"
#include "waypoint/sniff.h"

namespace aquifer::waypoint {
namespace {

constexpr std::uint32_t kMaxStreams = 100;        // of one HTTP/2 connection, as Envoy allows
constexpr std::size_t kLingerBytes = 256 * 1024;  // read and dropped so that a last answer arrives
constexpr auto kLingerTime = std::chrono::seconds(1);

struct Served {
  io::StreamPtr stream;
  const ExchangeParts& parts;
  const ConnectionContext& context;
  const ConnectionLimits& limits;
};

Task<void> EndWell(io::Stream& stream, StopToken stop) {
  (void)co_await stream.ShutdownWrite(stop);
}

// What is no request is answered once, and the connection ends.
Task<void> AnswerError(io::Stream& stream, const http::H1Error& error, const ExchangeParts& parts,
                       StopToken stop) {
  if (error.truncated) co_return;
  http::ResponseHead head;
  head.status = error.status;
  const std::string body(http::ReasonPhrase(error.status));
  (void)head.headers.Add("content-length", std::to_string(body.size()));
  (void)head.headers.Add("content-type", "text/plain");
  (void)head.headers.Add("date", parts.date.At(parts.unix_seconds()));
  (void)head.headers.Add("server", "istio-envoy");
  (void)head.headers.Add("connection", "close");
  http::H1Writer writer;
  http::H1Writer::Out out;
  const http::H1ResponseTo to{"GET", 1, false};
  Status written = writer.StartResponse(head, http::BodyLength::Of(body.size()), to, out);
  if (written) written = writer.Body(Chunk::CopyOf(body), out);
  if (!written) co_return;
  TimedStop patience(stop, kLingerTime, Reason::kTimeout);
  written = co_await stream.WriteMany(std::move(out), patience.token());
  if (written) co_await io::Linger(stream, kLingerTime, stop, kLingerBytes);
}

// One request. Says whether the connection can carry another.
Task<bool> ServeRequest(Served& served, H1Input& input, StopToken drain, StopToken stop) {
  H1Downstream downstream(served.stream, input);
  if (drain.requested()) downstream.CloseAfter();
  {
    Exchange exchange(served.parts, served.context, downstream);
    co_await exchange.Run(stop);
  }
  if (downstream.tunnelled()) co_return false;
  if (downstream.aborted() || !downstream.responded()) {
    served.stream->Reset();
    co_return false;
  }
  if (downstream.client_left()) {
    co_await EndWell(*served.stream, stop);
    co_return false;
  }
  if (downstream.body().kind == http::BodyKind::kNone) (void)co_await downstream.ReadBody(stop);
  if (downstream.can_go_on()) co_return true;
  co_await io::Linger(*served.stream, kLingerTime, stop, kLingerBytes);
  co_return false;
}

// The bytes of the next request, unless the connection is idle for too long or is to end.
Task<bool> AwaitRequest(Served& served, H1Input& input, StopToken drain) {
  if (input.reader().has_rest()) co_return true;
  TimedStop idle(drain, served.limits.idle_timeout, Reason::kTimeout);
  Result<Chunk> got = co_await served.stream->Read(idle.token());
  if (!got || got->empty()) co_return false;
  input.reader().Feed(*std::move(got));
  co_return true;
}

Task<void> ServeHttp1(Served& served, Chunk first, StopToken drain, StopToken stop) {
  H1Input input(*served.stream, http::H1Role::kServer);
  if (!first.empty()) input.reader().Feed(std::move(first));
  while (true) {
    const bool more = co_await AwaitRequest(served, input, drain);
    // Said as an end and not as a reset, which could overtake the last response.
    if (!more) co_return co_await EndWell(*served.stream, stop);
    TimedStop patience(stop, served.limits.head_timeout, Reason::kTimeout);
    const Result<http::H1Event> event = co_await input.Next(patience.token());
    patience.Disarm();
    if (!event || *event == http::H1Event::kClosed) {
      co_return co_await EndWell(*served.stream, stop);
    }
    if (*event == http::H1Event::kError) {
      co_await AnswerError(*served.stream, input.reader().error(), served.parts, stop);
      co_return;
    }
    if (*event != http::H1Event::kHead) co_return;
    const bool go_on = co_await ServeRequest(served, input, drain, stop);
    if (!go_on) co_return;
  }
}

Task<void> ServeStream(const ExchangeParts& parts, const ConnectionContext& context,
                       http::H2StreamPtr stream, StopToken stop) {
  H2Downstream downstream(std::move(stream));
  Exchange exchange(parts, context, downstream);
  co_await exchange.Run(stop);
}

// Sends GOAWAY when `drain` fires.
class DrainOnStop final : public StopCallback {
 public:
  DrainOnStop(StopToken drain, http::H2Connection& connection) : connection_(connection) {
    if (drain.requested()) {
      connection.Drain();
    } else {
      drain.Watch(*this);
    }
  }

 private:
  void OnStop() override {
    if (!connection_.ended()) connection_.Drain();
  }

  http::H2Connection& connection_;
};

// Of one HTTP/2 connection.
struct OpenRequests {
  std::size_t count = 0;
  TimePoint none_since = Loop::Current().now();
};

Task<void> ServeCounted(const ExchangeParts& parts, const ConnectionContext& context,
                        http::H2StreamPtr stream, OpenRequests& open, StopToken stop) {
  ++open.count;
  co_await ServeStream(parts, context, std::move(stream), stop);
  --open.count;
  open.none_since = Loop::Current().now();
}

// A client that has asked nothing for long is asked to leave.
Task<void> DrainIdle(http::H2Connection& connection, const OpenRequests& open,
                     Clock::duration timeout, StopToken stop) {
  while (true) {
    const Clock::duration idle =
        open.count > 0 ? Clock::duration::zero() : Loop::Current().now() - open.none_since;
    if (idle >= timeout) break;
    const Status slept = co_await SleepFor(timeout - idle, stop);
    if (!slept) co_return;
  }
  connection.Drain();
}

Task<void> ServeHttp2(Served& served, Chunk first, StopToken drain, StopToken stop) {
  http::H2Options options;
  options.settings.max_concurrent_streams = kMaxStreams;
  StopSource requests(stop);
  OpenRequests open;
  Scope streams;
  const ExchangeParts& parts = served.parts;
  const ConnectionContext& context = served.context;
  http::H2Connection connection(
      http::H2Role::kServer, std::move(served.stream), options, [&](http::H2StreamPtr stream) {
        streams.Spawn(ServeCounted(parts, context, std::move(stream), open, requests.token()));
      });
  streams.Spawn(DrainIdle(connection, open, served.limits.idle_timeout, requests.token()));
  DrainOnStop draining(drain, connection);
  const Status end = co_await connection.Run(stop, std::move(first));
  requests.RequestStop(end.ok() ? Reason::kPeerClosed : end.error().reason);
  co_await streams.Join();
}

}  // namespace

Task<void> ServeHttp(io::StreamPtr stream, Chunk first, const ExchangeParts& parts,
                     const ConnectionContext& context, const ConnectionLimits& limits,
                     StopToken drain, StopToken stop) {
  Served served{std::move(stream), parts, context, limits};
  TimedStop idle(drain, limits.idle_timeout, Reason::kTimeout);
  while (Sniff(first.text()) == Sniffed::kNeedMore) {
    // A few bytes at most: what could be the preface or a method.
    Result<Chunk> got = co_await served.stream->Read(idle.token());
    if (!got || got->empty()) co_return;
    idle.Restart(limits.head_timeout);
    Chunk joined = Chunk::Allocate(first.size() + got->size());
    joined.Append(first.bytes());
    joined.Append(got->bytes());
    first = std::move(joined);
  }
  idle.Disarm();
  if (Sniff(first.text()) == Sniffed::kHttp2) {
    co_await ServeHttp2(served, std::move(first), drain, stop);
  } else {
    co_await ServeHttp1(served, std::move(first), drain, stop);
  }
}

Task<Result<Inspected>> Inspect(io::Stream& stream, const ConnectionLimits& limits,
                                StopToken stop) {
  Inspected inspected;
  TimedStop patience(stop, limits.sniff_timeout, Reason::kTimeout);
  while (true) {
    const Sniffed sniffed = Sniff(inspected.first.text());
    if (sniffed != Sniffed::kNeedMore) {
      inspected.http = sniffed != Sniffed::kOther;
      co_return inspected;
    }
    Result<Chunk> got = co_await stream.Read(patience.token());
    if (!got && got.error().reason == Reason::kTimeout && !stop.requested()) co_return inspected;
    if (!got) co_return got.error();
    if (got->empty()) co_return inspected;
    Chunk joined = Chunk::Allocate(inspected.first.size() + got->size());
    joined.Append(inspected.first.bytes());
    joined.Append(got->bytes());
    inspected.first = std::move(joined);
  }
}

}  // namespace aquifer::waypoint
