#include "tests/component/mesh/scripted_plane.h"

#include "certs/tls_stream.h"
#include "tests/unit/certs/support.h"

namespace aquifer::mesh::test {
namespace {

constexpr std::size_t kMaxRequestBytes = 1 << 20;

}  // namespace

ScriptedPlane::ScriptedPlane(std::vector<Script> scripts, Event& changed)
    : scripts_(std::move(scripts)),
      changed_(changed),
      accepting_(stop_.token()),
      context_(certs::TlsContext::HostServer(
          certs::test::SharedCa().ServerBundle("istiod.istio-system.svc"),
          certs::PeerCertificate::kNone)) {
  Result<std::unique_ptr<io::Listener>> made = io::Listener::Listen(Address{Ip::Loopback4(), 0});
  REQUIRE(made.ok());
  listener_ = *std::move(made);
  address_ = listener_->local();
  tasks_.Spawn(AcceptLoop());
}

certs::ChannelOptions ScriptedPlane::Options() const {
  certs::ChannelOptions options;
  options.address = address_.ToString();
  options.host_name = "istiod.istio-system.svc";
  options.roots = certs::test::SharedCa().roots()->pem();
  return options;
}

Task<void> ScriptedPlane::End() {
  stop_.RequestStop();
  co_await tasks_.Join();
}

Task<void> ScriptedPlane::AcceptLoop() {
  while (true) {
    Result<io::SocketPtr> socket = co_await listener_->Accept(accepting_.token());
    if (!socket) break;
    tasks_.Spawn(Serve(*std::move(socket)));
  }
  listener_.reset();
}

Task<void> ScriptedPlane::Serve(io::SocketPtr socket) {
  io::StreamPtr carrier = std::move(socket);
  certs::PeerExpectation nobody = certs::OneOf{};
  auto secure = co_await certs::ServerHandshake(std::move(carrier), context_, std::move(nobody),
                                                certs::test::kNow, stop_.token());
  if (!secure) co_return;
  StopSource ending(stop_.token());
  Scope streams;
  http::H2Connection connection(http::H2Role::kServer, *std::move(secure), http::H2Options(),
                                [this, &streams, &ending](http::H2StreamPtr stream) {
                                  streams.Spawn(ServeStream(std::move(stream), ending));
                                });
  std::ignore = co_await connection.Run(ending.token());
  ending.RequestStop();
  co_await streams.Join();
}

Task<void> ScriptedPlane::ServeStream(http::H2StreamPtr stream, StopSource& connection) {
  const std::size_t number = heard_.size();
  std::vector<Request>& requests = heard_.emplace_back();
  http::ResponseHead head{.status = 200, .headers = {}};
  head.headers.Add("content-type", "application/grpc");
  static_cast<void>(stream->Respond(head, http::EndStream::kNo));
  StopSource ended(connection.token());
  Scope hearing;
  hearing.Spawn(Hear(*stream, requests, ended.token()));
  bool open = true;
  if (number < scripts_.size()) {
    for (const Step& step : scripts_[number]) {
      if (open) open = co_await Perform(step, *stream, requests, connection);
    }
  }
  if (!open) ended.RequestStop();
  co_await hearing.Join();
}

Task<void> ScriptedPlane::Hear(http::H2Stream& stream, std::vector<Request>& requests,
                               StopToken stop) {
  http::GrpcDecoder decoder(kMaxRequestBytes);
  while (true) {
    Result<Chunk> got = co_await stream.Read(stop);
    if (!got || got->empty()) co_return;
    decoder.Feed(*std::move(got));
    while (true) {
      auto message = decoder.Next();
      if (!message || !*message) break;
      REQUIRE(requests.emplace_back().ParseFromString(**message));
      changed_.Wake();
    }
  }
}

// Whether the stream is still there afterwards.
Task<bool> ScriptedPlane::Perform(const Step& step, http::H2Stream& stream,
                                  const std::vector<Request>& requests, StopSource& connection) {
  switch (step.kind) {
    case Step::Kind::kAwait:
      while (requests.size() < step.count) {
        const Status waited = co_await changed_.Wait(connection.token());
        if (!waited) co_return false;
      }
      co_return true;
    case Step::Kind::kSay: {
      const Status sent = co_await stream.Write(http::GrpcFrame(step.bytes), connection.token());
      co_return sent.ok();
    }
    case Step::Kind::kRaw: {
      const Status sent = co_await stream.Write(Chunk::CopyOf(step.bytes), connection.token());
      co_return sent.ok();
    }
    case Step::Kind::kEnd: {
      http::HeaderList trailers;
      http::AddGrpcStatus(trailers, step.status);
      static_cast<void>(stream.ShutdownWithTrailers(std::move(trailers)));
      co_return false;
    }
    case Step::Kind::kReset:
      stream.Reset();
      co_return false;
    case Step::Kind::kClose:
      connection.RequestStop();
      co_return false;
  }
  co_return false;
}

}  // namespace aquifer::mesh::test
