#include "hbone/inner.h"

#include <tuple>
#include <utility>

#include "certs/tls_stream.h"
#include "certs/wall_clock.h"
#include "core/rt/grace.h"
#include "core/rt/timer.h"

namespace aquifer::hbone {

struct InnerSessions::Session {
  using Watch = std::unique_ptr<certs::Revocations::Watch>;

  Session(io::StreamPtr transport, const http::H2Options& options, Watch revoked, StopToken parent)
      : h2(http::H2Role::kClient, std::move(transport), options),
        watch(std::move(revoked)),
        stop(watch != nullptr ? watch->token() : parent) {}

  http::H2Connection h2;
  const Watch watch;
  StopSource stop;
  Event released;  // nobody uses its stream any more
};

// The one stream of a session. The session may have ended before it.
class InnerSessions::Stream final : public io::Stream {
 public:
  Stream(http::H2StreamPtr stream, std::weak_ptr<Session> session)
      : stream_(std::move(stream)), session_(std::move(session)) {}
  ~Stream() override {
    stream_.reset();
    if (const std::shared_ptr<Session> session = session_.lock()) session->released.Set();
  }

  Task<Result<Chunk>> Read(StopToken stop) override { return stream_->Read(stop); }
  Task<Status> Write(Chunk chunk, StopToken stop) override {
    return stream_->Write(std::move(chunk), stop);
  }
  Task<Status> WriteMany(std::vector<Chunk> chunks, StopToken stop) override {
    return stream_->WriteMany(std::move(chunks), stop);
  }
  Task<Status> ShutdownWrite(StopToken stop) override { return stream_->ShutdownWrite(stop); }
  Task<Status> WaitBroken(StopToken stop) override { return stream_->WaitBroken(stop); }
  void Reset() override { stream_->Reset(); }

 private:
  http::H2StreamPtr stream_;
  std::weak_ptr<Session> session_;
};

Task<Result<InnerTunnel, TunnelError>> InnerSessions::Open(io::StreamPtr carrier,
                                                           certs::TlsContextRef tls,
                                                           std::vector<certs::Identity> expected,
                                                           ConnectRequest request, Charge charge,
                                                           StopToken stop) {
  if (stop_.requested()) co_return TunnelError::Of(stop_.token().error());
  if (expected.empty()) co_return TunnelError::Of(Error{Reason::kIdentityMismatch});
  TimedStop shaking(stop, options_.handshake_timeout, Reason::kHandshakeTimeout);
  certs::PeerExpectation expectation = certs::OneOf{std::move(expected)};
  Session::Watch watch;
  if (options_.revocations != nullptr)
    watch = std::make_unique<certs::Revocations::Watch>(*options_.revocations, stop_.token());
  Result<certs::TlsStreamPtr, certs::TlsFailure> secure = co_await certs::ClientHandshake(
      std::move(carrier), std::move(tls), std::move(expectation), certs::SystemWallTime(),
      shaking.token(), watch.get(), charge.pace);
  if (!secure) co_return TunnelError::Of(secure.error().error, secure.error().detail);
  const std::optional<certs::Identity> peer = (*secure)->peer();
  if (!peer) co_return TunnelError::Of(Error{Reason::kTlsFailed});
  http::H2Options h2 = options_.h2;
  h2.settings.gauge = std::move(charge.gauge);
  const auto session =
      std::make_shared<Session>(*std::move(secure), h2, std::move(watch), stop_.token());
  tasks_.Spawn(Drive(session, options_.last_words));
  Result<Tunnel, TunnelError> tunnel = co_await OpenTunnel(session->h2, *peer, request, stop);
  if (!tunnel) {
    session->released.Set();
    co_return std::move(tunnel).error();
  }
  co_return InnerTunnel{std::make_unique<Stream>(std::move(tunnel->stream), session),
                        std::move(tunnel->response), std::move(tunnel->peer)};
}

Task<void> InnerSessions::Drive(std::shared_ptr<Session> session, Clock::duration last_words) {
  StopSource over;
  Scope watching;
  watching.Spawn(EndWhenReleased(*session, last_words, over.token()));
  std::ignore = co_await session->h2.Run(session->stop.token());
  over.RequestStop();
  co_await watching.Join();
}

Task<void> InnerSessions::EndWhenReleased(Session& session, Clock::duration last_words,
                                          StopToken over) {
  const Status released = co_await session.released.Wait(over);
  if (!released) co_return;
  session.h2.Drain();
  const Status waited = co_await SleepFor(last_words, over);
  if (waited.ok()) session.stop.RequestStop();
}

Task<void> InnerSessions::End(Clock::duration grace) {
  co_await WithGrace(tasks_.Join(), grace, [this] { stop_.RequestStop(); });
}

}  // namespace aquifer::hbone
