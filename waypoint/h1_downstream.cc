#include "waypoint/h1_downstream.h"

#include "core/rt/timer.h"
#include "waypoint/prefixed_stream.h"

namespace aquifer::waypoint {
namespace {

// Most responses come sooner, and save the read that would have to be taken back.
constexpr auto kWatchAfter = std::chrono::milliseconds(20);

}  // namespace

using http::H1Event;

H1Downstream::H1Downstream(io::StreamPtr& stream, H1Input& input)
    : stream_(stream), input_(input), head_(input.reader().TakeRequest()), method_(head_.method) {}

Task<Status> H1Downstream::Flush(http::H1Writer::Out out, StopToken stop) {
  if (out.empty()) co_return Status();
  co_return co_await stream_->WriteMany(std::move(out), stop);
}

Task<Status> H1Downstream::Continue(StopToken stop) {
  if (!input_.reader().expects_continue() || continued_) co_return Status();
  continued_ = true;
  http::ResponseHead head;
  head.status = 100;
  http::H1Writer::Out out;
  const http::H1ResponseTo to{method_, input_.reader().minor_version(), true};
  const Status written = writer_.StartResponse(head, http::BodyLength::None(), to, out);
  if (!written) co_return written;
  co_return co_await Flush(std::move(out), stop);
}

Task<Result<Chunk>> H1Downstream::ReadBody(StopToken stop) {
  if (request_read_) co_return Chunk();
  const Result<H1Event> event = co_await input_.Next(stop);
  if (!event) co_return event.error();
  switch (*event) {
    case H1Event::kBody:
      co_return input_.reader().TakeBody();
    case H1Event::kEnd:
      request_read_ = true;
      co_return Chunk();
    case H1Event::kError:
      co_return Error{input_.reader().error().truncated ? Reason::kPeerClosed
                                                        : Reason::kHttpFailed};
    default:
      co_return Error{Reason::kHttpFailed};
  }
}

// A client that ends its direction has left: one that closes and one that still listens look the
// same, and the latter do not exist among clients of HTTP, or Envoy would have broken them all.
Task<void> H1Downstream::WatchClient(StopToken stop) {
  if (!request_read_) {
    const Result<Chunk> end = co_await ReadBody(stop);
    if (!end || !end->empty()) co_return;
  }
  const Status waited = co_await SleepFor(kWatchAfter, stop);
  // With the next request here already there is no end to be seen; more is not taken in for it.
  if (!waited || input_.reader().has_rest()) co_return;
  Result<Chunk> got = co_await stream_->Read(stop);
  if (got && !got->empty()) {
    input_.reader().Feed(*std::move(got));
  } else if (got || !stop.requested()) {
    gone_.RequestStop(got ? Reason::kPeerClosed : got.error().reason);
  }
}

Task<Status> H1Downstream::Respond(http::ResponseHead head, http::BodyLength body, StopToken stop) {
  AQ_CHECK(!responded_);
  responded_ = true;
  http::H1Writer::Out out;
  const bool go_on = input_.reader().keep_alive() && !close_after_;
  const http::H1ResponseTo to{method_, input_.reader().minor_version(), go_on};
  const Status written = writer_.StartResponse(head, body, to, out);
  if (!written) co_return written;
  co_return co_await Flush(std::move(out), stop);
}

Task<Status> H1Downstream::WriteBody(Chunk chunk, StopToken stop) {
  http::H1Writer::Out out;
  const Status written = writer_.Body(std::move(chunk), out);
  if (!written) co_return written;
  co_return co_await Flush(std::move(out), stop);
}

Task<Status> H1Downstream::EndBody(http::HeaderList trailers, StopToken stop) {
  http::H1Writer::Out out;
  const Status written = writer_.End(trailers, out);
  if (!written) co_return written;
  const Status flushed = co_await Flush(std::move(out), stop);
  response_sent_ = flushed.ok();
  co_return flushed;
}

io::StreamPtr H1Downstream::TakeTunnel() {
  tunnelled_ = true;
  Chunk early = input_.reader().TakeRest();
  return std::make_unique<PrefixedStream>(std::move(early), std::move(stream_));
}

bool H1Downstream::can_go_on() const {
  return request_read_ && response_sent_ && !aborted_ && writer_.keep_alive();
}

}  // namespace aquifer::waypoint
