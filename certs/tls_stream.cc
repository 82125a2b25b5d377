#include "certs/tls_stream.h"

#include <tuple>
#include <utility>

namespace aquifer::certs {
namespace {

// Sealed at a time: enough for a full system call, little enough that plaintext and ciphertext of a
// large write are never both in memory whole.
constexpr size_t kSealBatchBytes = 256 * 1024;

// How many chunks from `first` on make a batch, at least one.
size_t BatchOf(const std::vector<Chunk>& chunks, size_t first) {
  size_t bytes = 0;
  size_t end = first;
  while (end < chunks.size() && (end == first || bytes + chunks[end].size() <= kSealBatchBytes)) {
    bytes += chunks[end++].size();
  }
  return end - first;
}

}  // namespace

Task<Result<TlsStreamPtr, Failure>> ClientHandshake(io::StreamPtr carrier, TlsContextRef context,
                                                    PeerExpectation expectation, WallTime now,
                                                    StopToken stop, PathJudge* judge, Pace pace) {
  AQ_CHECK(!context->is_server());
  TlsStreamPtr stream(
      new TlsStream(std::move(carrier), std::move(context), std::move(expectation), now, judge));
  co_return co_await TlsStream::Handshake(std::move(stream), stop, pace);
}

Task<Result<TlsStreamPtr, Failure>> ServerHandshake(io::StreamPtr carrier, TlsContextRef context,
                                                    PeerExpectation expectation, WallTime now,
                                                    StopToken stop, PathJudge* judge, Pace pace) {
  AQ_CHECK(context->is_server());
  TlsStreamPtr stream(
      new TlsStream(std::move(carrier), std::move(context), std::move(expectation), now, judge));
  co_return co_await TlsStream::Handshake(std::move(stream), stop, pace);
}

Task<Result<TlsStreamPtr, Failure>> TlsStream::Handshake(TlsStreamPtr stream, StopToken stop,
                                                         Pace pace) {
  TlsEngine& engine = stream->engine_;
  while (true) {
    const TlsEngine::Want want = engine.Step();
    // Also after a failure: the alert tells the peer what to look for.
    const Status flushed = co_await stream->Flush(stop);
    if (engine.state() == TlsEngine::State::kFailed) co_return engine.failure();
    if (!flushed) co_return Failure{flushed.error(), Describe(flushed.error())};
    if (want == TlsEngine::Want::kNothing) co_return std::move(stream);
    const Status fed = co_await stream->FeedOnce(stop);
    if (!fed) co_return Failure{fed.error(), Describe(fed.error())};
    if (engine.state() == TlsEngine::State::kFailed) co_return engine.failure();
    if (pace.turns == nullptr) continue;
    const Status turn = co_await pace.turns->Enter(*pace.lane, pace.cost, stop);
    if (!turn) co_return Failure{turn.error(), Describe(turn.error())};
  }
}

Task<Status> TlsStream::FeedOnce(StopToken stop) {
  Result<Chunk> got = co_await carrier_->Read(stop);
  if (!got) co_return got.error();
  if (got->empty()) {
    engine_.FeedEnd();
  } else {
    engine_.Feed(*std::move(got));
  }
  co_return Status();
}

Task<Result<Chunk>> TlsStream::Read(StopToken stop) {
  while (true) {
    Chunk plaintext = engine_.Open();
    if (!plaintext.empty()) co_return plaintext;
    if (engine_.state() == TlsEngine::State::kPeerClosed) co_return Chunk();
    if (engine_.state() == TlsEngine::State::kFailed) {
      // Best effort: the peer learns why, unless the connection is gone anyway.
      std::ignore = co_await Flush(stop);
      co_return engine_.failure().error;
    }
    const Status fed = co_await FeedOnce(stop);
    if (!fed) co_return fed.error();
  }
}

Task<Status> TlsStream::Write(Chunk chunk, StopToken stop) {
  if (!engine_.Seal(chunk.bytes())) co_return WriteError();
  chunk = Chunk();
  co_return co_await Flush(stop);
}

Task<Status> TlsStream::WriteMany(std::vector<Chunk> chunks, StopToken stop) {
  for (size_t first = 0; first < chunks.size();) {
    const size_t count = BatchOf(chunks, first);
    if (!engine_.SealMany(std::span(chunks).subspan(first, count))) co_return WriteError();
    first += count;
    const Status flushed = co_await Flush(stop);
    if (!flushed) co_return flushed;
  }
  co_return Status();
}

Task<Status> TlsStream::ShutdownWrite(StopToken stop) {
  engine_.Close();
  const Status flushed = co_await Flush(stop);
  if (!flushed) co_return flushed;
  if (engine_.state() == TlsEngine::State::kFailed) co_return WriteError();
  co_return co_await carrier_->ShutdownWrite(stop);
}

// Whoever is writing to the carrier takes along what others put into the output meanwhile, so that
// the carrier has one writer: the reader comes here only with an alert.
Task<Status> TlsStream::Flush(StopToken stop) {
  if (flushing_) co_return Status();
  flushing_ = true;
  Status written;
  while (written && engine_.has_output()) {
    std::vector<Chunk> output = engine_.TakeOutput();
    written = co_await carrier_->WriteMany(std::move(output), stop);
  }
  flushing_ = false;
  co_return written;
}

Error TlsStream::WriteError() const {
  const Error& error = engine_.failure().error;
  return error.reason == Reason::kOk ? Error{Reason::kPeerClosed} : error;
}

}  // namespace aquifer::certs
