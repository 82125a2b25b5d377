#include "core/http/h2_connection.h"

#include <algorithm>
#include <tuple>

#include "core/io/linger.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer::http {
namespace {

constexpr std::size_t kWriteBatchBytes = 256 * 1024;  // what one write to the transport gathers
// For the last words to get through: to a peer that broke the rules, or that is slow to close.
constexpr std::chrono::seconds kFarewell(1);
constexpr std::size_t kStreamQueueBytes =
    128 * 1024;  // what a stream may have waiting for the peer's window
constexpr std::size_t kCrowdedQueueBytes = 8 * 1024;
// Bytes that the transport takes its time for.
constexpr std::size_t kStuckBytes = 64 * 1024;

}  // namespace

H2Stream::H2Stream(H2Connection& connection, std::int32_t id)
    : connection_(&connection), live_(connection.live_), id_(id) {
  ++*live_;
}

H2Stream::~H2Stream() {
  --*live_;
  if (connection_ != nullptr) connection_->Forget(*this);
}

Task<Result<ResponseHead>> H2Stream::ReadHead(StopToken stop) {
  while (!response_) {
    if (!broken_.ok()) co_return broken_.error();
    if (peer_ended_) co_return Error{Reason::kHttpFailed};
    readable_.Reset();
    const Status waited = co_await readable_.Wait(stop);
    if (!waited) co_return waited.error();
  }
  const std::unique_ptr<ResponseHead> head = std::move(response_);
  co_return std::move(*head);
}

RequestHead H2Stream::TakeRequest() {
  const std::unique_ptr<RequestHead> head = std::move(request_);
  return std::move(*head);
}

const HeaderList& H2Stream::trailers() const {
  static const HeaderList none;
  return trailers_ ? *trailers_ : none;
}

Status H2Stream::Respond(const ResponseHead& head, EndStream end) {
  if (connection_ == nullptr) return broken_.ok() ? Status(Error{Reason::kPeerReset}) : broken_;
  if (end == EndStream::kYes) ended_ = true;
  const Status sent = connection_->session_.Respond(id_, head, end);
  connection_->OutputDue();
  return sent;
}

Task<Result<Chunk>> H2Stream::Read(StopToken stop) {
  while (received_.empty()) {
    if (peer_ended_) co_return Chunk();
    if (!broken_.ok()) co_return broken_.error();
    readable_.Reset();
    const Status waited = co_await readable_.Wait(stop);
    if (!waited) co_return waited.error();
  }
  Chunk chunk = received_.Pop();
  if (connection_ != nullptr) {
    connection_->session_.Consume(id_, chunk.size(), Loop::Current().now());
    if (connection_->session_.WantsOutput()) connection_->OutputDue();
  }
  co_return chunk;
}

Task<Status> H2Stream::Write(Chunk chunk, StopToken stop) {
  if (connection_ == nullptr) co_return broken_.ok() ? Status(Error{Reason::kPeerReset}) : broken_;
  AQ_DCHECK(!ended_);
  connection_->session_.Send(id_, std::move(chunk));
  connection_->OutputDue();
  while (connection_ != nullptr && connection_->session_.Queued(id_) > connection_->QueueLimit()) {
    writable_.Reset();
    const Status waited = co_await writable_.Wait(stop);
    if (!waited) co_return waited;
  }
  co_return broken_;
}

Task<Status> H2Stream::ShutdownWrite(StopToken) { co_return ShutdownWithTrailers(HeaderList()); }

Task<Status> H2Stream::WaitBroken(StopToken stop) {
  StopSource either(stop);
  const StopLink link(gone_.token(), either);
  Event never;
  co_return co_await never.Wait(either.token());
}

Status H2Stream::ShutdownWithTrailers(HeaderList trailers) {
  if (ended_) return Status();
  ended_ = true;
  if (connection_ == nullptr) return broken_;
  connection_->session_.EndWithTrailers(id_, std::move(trailers));
  connection_->OutputDue();
  return Status();
}

void H2Stream::Close(const Error& error) {
  connection_ = nullptr;
  // A stream that the peer ended well before we had ended it takes nothing more: for our direction
  // that is a closed peer.
  const Error left = error.reason == Reason::kOk ? Error{Reason::kPeerClosed} : error;
  if (broken_.ok() && !(peer_ended_ && ended_)) broken_ = left;
  readable_.Set();
  writable_.Set();
  if (error.reason != Reason::kOk) gone_.RequestStop(error.reason);
}

H2Connection::H2Connection(H2Role role, io::StreamPtr transport, const H2Options& options,
                           RequestHandler handler)
    : options_(options),
      handler_(std::move(handler)),
      transport_(std::move(transport)),
      session_(role, options.settings, *this) {}

H2Connection::~H2Connection() {
  for (auto& [id, stream] : streams_) stream->Close(Error{Reason::kStopped});
}

Task<Status> H2Connection::Run(StopToken stop, Chunk first) {
  StopSource both(stop);
  last_heard_ = Loop::Current().now();
  OutputDue();  // the preface
  Scope tasks;
  tasks.Spawn(ReadLoop(std::move(first), both));
  tasks.Spawn(WriteLoop(both));
  if (options_.ping_interval > Clock::duration::zero()) tasks.Spawn(WatchLoop(both));
  co_await tasks.Join();
  ended_ = true;
  const Error error = end_.ok() ? Error{Reason::kPeerClosed} : end_.error();
  if (!end_.ok()) transport_->Reset();
  while (!streams_.empty()) {
    H2Stream& stream = *streams_.begin()->second;
    streams_.erase(streams_.begin());
    stream.Close(error);
  }
  if (end_.ok() && !peer_closed_) co_await io::Linger(*transport_, kFarewell, stop);
  if (end_.ok() && session_.broken()) end_ = Error{Reason::kHttpFailed};
  co_return end_;
}

Result<H2StreamPtr> H2Connection::Open(const RequestHead& head, EndStream end) {
  if (ended_) return Error{Reason::kGoAway};
  AQ_TRY(const std::int32_t id, session_.Request(head, end));
  H2StreamPtr stream(new H2Stream(*this, id));
  stream->ended_ = end == EndStream::kYes;
  streams_[id] = stream.get();
  OutputDue();
  return stream;
}

void H2Connection::Drain() {
  if (drain_asked_ || ended_) return;
  drain_asked_ = true;
  session_.Drain();
  OutputDue();
}

void H2Connection::OnRequest(std::int32_t id, RequestHead head, EndStream) {
  // A peer that opens and resets streams faster than their handlers can end must not pile up
  // handlers.
  const std::size_t most = std::size_t{2} * options_.settings.max_concurrent_streams;
  if (*live_ >= most) return session_.Reset(id, NGHTTP2_REFUSED_STREAM);
  H2StreamPtr stream(new H2Stream(*this, id));
  stream->is_server_ = true;
  stream->request_ = std::make_unique<RequestHead>(std::move(head));
  streams_[id] = stream.get();
  arrived_.push_back(std::move(stream));
}

void H2Connection::OnResponse(std::int32_t id, ResponseHead head, EndStream) {
  H2Stream* const stream = Find(id);
  if (stream == nullptr) return;
  stream->response_ = std::make_unique<ResponseHead>(std::move(head));
  stream->readable_.Set();
}

void H2Connection::OnData(std::int32_t id, Chunk data) {
  H2Stream* const stream = Find(id);
  if (stream == nullptr) return;  // forgotten: it was reset, its window no longer counts
  stream->received_.Push(std::move(data));
  stream->readable_.Set();
}

void H2Connection::OnTrailers(std::int32_t id, HeaderList trailers) {
  if (H2Stream* const stream = Find(id))
    stream->trailers_ = std::make_unique<HeaderList>(std::move(trailers));
}

void H2Connection::OnEnd(std::int32_t id) {
  H2Stream* const stream = Find(id);
  if (stream == nullptr) return;
  stream->peer_ended_ = true;
  stream->readable_.Set();
}

void H2Connection::OnTaken(std::int32_t id) {
  H2Stream* const stream = Find(id);
  if (stream != nullptr && session_.Queued(id) <= QueueLimit() / 2) stream->writable_.Set();
}

std::size_t H2Connection::QueueLimit() const {
  return session_.crowded() ? kCrowdedQueueBytes : kStreamQueueBytes;
}

bool H2Connection::carries_bulk() {
  if (writing_bytes_ >= kStuckBytes) return true;
  CountTraffic(0);
  return std::max(traffic_before_, traffic_) >= options_.bulk_bytes;
}

void H2Connection::CountTraffic(std::size_t bytes) {
  const TimePoint now = Loop::Current().now();
  const Clock::duration since = now - traffic_since_;
  if (since >= options_.bulk_span) {
    traffic_before_ = since < 2 * options_.bulk_span ? traffic_ : 0;
    traffic_ = 0;
    traffic_since_ = now;
  }
  traffic_ += bytes;
}

void H2Connection::OnClosed(std::int32_t id, std::uint32_t error_code) {
  H2Stream* const stream = Find(id);
  if (stream == nullptr) return;
  streams_.erase(id);
  // A peer that has answered in full may reset with NO_ERROR so that we stop sending (RFC 9113
  // section 8.1): that is an end.
  const bool well = error_code == NGHTTP2_NO_ERROR && stream->peer_ended_;
  stream->Close(Error{well                                   ? Reason::kOk
                      : error_code == NGHTTP2_REFUSED_STREAM ? Reason::kOverload
                                                             : Reason::kPeerReset});
}

void H2Connection::OnGoAway(std::int32_t, std::uint32_t) {
}  // the session opens no more streams; nghttp2 closes the unprocessed ones

void H2Connection::OnRefused(std::int32_t, std::string_view why) {
  if (refusal_handler_) refusal_handler_(why);
}

Task<void> H2Connection::ReadLoop(Chunk first, StopSource& both) {
  if (!first.empty() && !FeedAndDispatch(std::move(first))) co_return co_await Farewell(both);
  while (true) {
    Result<Chunk> got = co_await transport_->Read(both.token());
    if (!got) co_return Break(both, got.error());
    if (got->empty()) {
      peer_closed_ = true;
      if (!streams_.empty()) co_return Break(both, Error{Reason::kPeerClosed});
      both.RequestStop(Reason::kPeerClosed);
      co_return;
    }
    last_heard_ = Loop::Current().now();
    CountTraffic(got->size());
    if (!FeedAndDispatch(*std::move(got))) co_return co_await Farewell(both);
  }
}

// The writer sends the GOAWAY and ends everything. A peer that takes nothing any more does not keep
// it from that for long.
Task<void> H2Connection::Farewell(StopSource& both) {
  const Error error = end_.error();
  std::ignore = co_await SleepFor(kFarewell, both.token());
  both.RequestStop(error.reason);
}

bool H2Connection::FeedAndDispatch(Chunk input) {
  const Status fed = session_.Feed(std::move(input), last_heard_);
  std::vector<H2StreamPtr> arrived = std::move(arrived_);
  arrived_.clear();
  for (H2StreamPtr& stream : arrived) {
    if (handler_) handler_(std::move(stream));
  }
  if (!fed) {
    end_ = fed;  // the writer still sends the GOAWAY that says why, then finds the session finished
    OutputDue();
    return false;
  }
  if (session_.WantsOutput() || session_.finished()) OutputDue();
  return true;
}

Task<void> H2Connection::WriteLoop(StopSource& both) {
  while (true) {
    const Status waited = co_await output_due_.Wait(both.token());
    if (!waited) co_return Break(both, waited.error());
    output_due_.Reset();
    while (true) {
      std::vector<Chunk> output = session_.TakeOutput(kWriteBatchBytes);
      if (output.empty()) break;
      for (const Chunk& chunk : output) writing_bytes_ += chunk.size();
      CountTraffic(writing_bytes_);
      const Status written = co_await transport_->WriteMany(std::move(output), both.token());
      writing_bytes_ = 0;
      if (!written) co_return Break(both, written.error());
    }
    if (!session_.finished() && end_.ok()) continue;
    std::ignore = co_await transport_->ShutdownWrite(both.token());
    both.RequestStop(end_.ok() ? Reason::kPeerClosed : end_.error().reason);
    co_return;
  }
}

Task<void> H2Connection::WatchLoop(StopSource& both) {
  bool asked = false;
  TimePoint asked_at{};
  while (true) {
    if (last_heard_ > asked_at) asked = false;
    const TimePoint due =
        asked ? asked_at + options_.ping_timeout : last_heard_ + options_.ping_interval;
    const TimePoint now = Loop::Current().now();
    if (now < due) {
      const Status slept = co_await SleepFor(due - now, both.token());
      if (!slept) co_return;
      continue;
    }
    if (asked) co_return Break(both, Error{Reason::kTimeout});
    asked = true;
    asked_at = now;
    session_.Ping();
    OutputDue();
  }
}

void H2Connection::Break(StopSource& both, const Error& error) {
  // kPeerClosed set by the writer or reader at a good end is not an error.
  if (end_.ok() && !(both.requested() && both.reason() == Reason::kPeerClosed)) end_ = error;
  both.RequestStop(error.reason);
}

H2Stream* H2Connection::Find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

void H2Connection::Forget(H2Stream& stream) {
  streams_.erase(stream.id_);
  const bool well = stream.ended_ && stream.reset_code_ == NGHTTP2_NO_ERROR;
  if (well && stream.peer_ended_) return OutputDue();
  if (well && stream.is_server_) {
    // Answered in full without caring for the rest of the request: said with NO_ERROR (RFC 9113
    // section 8.1).
    session_.ResetAfterOutput(stream.id_, NGHTTP2_NO_ERROR);
  } else {
    session_.Reset(stream.id_,
                   stream.reset_code_ == NGHTTP2_NO_ERROR ? NGHTTP2_CANCEL : stream.reset_code_);
  }
  OutputDue();
}

}  // namespace aquifer::http
