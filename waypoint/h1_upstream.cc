#include "waypoint/h1_upstream.h"

#include "waypoint/prefixed_stream.h"

namespace aquifer::waypoint {

using http::H1Event;

H1Call::H1Call(H1ConnectionPtr connection, GiveBack give_back, Stale stale)
    : connection_(std::move(connection)),
      give_back_(std::move(give_back)),
      stale_(std::move(stale)),
      reused_(connection_->used) {
  connection_->used = true;
}

H1Call::~H1Call() {
  if (connection_ == nullptr) return;
  const http::H1Reader& reader = connection_->input.reader();
  // A byte too many behind the response belongs to nobody: whoever came next would take it for his.
  const bool good = request_sent_ && response_read_ && reader.keep_alive() &&
                    connection_->writer.keep_alive() && !reader.has_rest();
  if (!good) {
    connection_->stream->Reset();
    return;
  }
  connection_->idle_since = Loop::Current().now();
  give_back_(std::move(connection_));
}

Task<Status> H1Call::Flush(http::H1Writer::Out out, StopToken stop) {
  if (out.empty()) co_return Status();
  co_return co_await connection_->stream->WriteMany(std::move(out), stop);
}

// Before the response: whoever called off the call himself learns nothing about the connection.
Error H1Call::Fail(const Error& error, StopToken stop) {
  if (reused_ && !stop.requested()) stale_();
  return error;
}

Task<Status> H1Call::SendHead(http::RequestHead head, http::BodyLength body, bool upgrade,
                              StopToken stop) {
  connection_->input.reader().ExpectResponse(head.method, upgrade);
  http::H1Writer::Out out;
  Status written = connection_->writer.StartRequest(head, body, out);
  if (!written) co_return written;
  if (body.kind == http::BodyKind::kNone) {
    written = connection_->writer.End(out);
    if (!written) co_return written;
    request_sent_ = true;
  }
  const Status flushed = co_await Flush(std::move(out), stop);
  if (!flushed) co_return Fail(flushed.error(), stop);
  co_return flushed;
}

Task<Status> H1Call::WriteBody(Chunk chunk, StopToken stop) {
  http::H1Writer::Out out;
  const Status written = connection_->writer.Body(std::move(chunk), out);
  if (!written) co_return written;
  co_return co_await Flush(std::move(out), stop);
}

Task<Status> H1Call::EndBody(http::HeaderList trailers, StopToken stop) {
  if (request_sent_) co_return Status();
  http::H1Writer::Out out;
  const Status written = connection_->writer.End(trailers, out);
  if (!written) co_return written;
  const Status flushed = co_await Flush(std::move(out), stop);
  request_sent_ = flushed.ok();
  co_return flushed;
}

Task<Result<http::ResponseHead>> H1Call::ReadHead(StopToken stop) {
  while (true) {
    const Result<H1Event> event = co_await connection_->input.Next(stop);
    if (!event) co_return Fail(event.error(), stop);
    switch (*event) {
      case H1Event::kHead: {
        http::ResponseHead head = connection_->input.reader().TakeResponse();
        // Interim responses are between us and the backend.
        if (head.status / 100 == 1 && head.status != 101) continue;
        co_return head;
      }
      case H1Event::kClosed:
        co_return Fail(Error{Reason::kPeerClosed}, stop);
      case H1Event::kError: {
        const bool truncated = connection_->input.reader().error().truncated;
        co_return Fail(Error{truncated ? Reason::kPeerClosed : Reason::kHttpFailed}, stop);
      }
      default:
        co_return Fail(Error{Reason::kHttpFailed}, stop);
    }
  }
}

Task<Result<Chunk>> H1Call::ReadBody(StopToken stop) {
  if (response_read_) co_return Chunk();
  const Result<H1Event> event = co_await connection_->input.Next(stop);
  if (!event) co_return event.error();
  if (*event == H1Event::kBody) co_return connection_->input.reader().TakeBody();
  if (*event != H1Event::kEnd) co_return Error{Reason::kHttpFailed};
  response_read_ = true;
  co_return Chunk();
}

io::StreamPtr H1Call::TakeTunnel() {
  H1ConnectionPtr connection = std::move(connection_);
  Chunk early = connection->input.reader().TakeRest();
  return std::make_unique<PrefixedStream>(std::move(early), std::move(connection->stream));
}

}  // namespace aquifer::waypoint
