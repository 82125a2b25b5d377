// HTTP/2 to a backend: one stream of a shared connection. One thread: its Loop's.
#pragma once

#include <memory>

#include "core/http/h2_connection.h"
#include "waypoint/upstream_call.h"

namespace aquifer::waypoint {

class H2Call final : public UpstreamCall {
 public:
  // The connection may end before the call does; it then fails.
  explicit H2Call(std::shared_ptr<http::H2Connection> connection)
      : connection_(std::move(connection)) {}

  Task<Status> SendHead(http::RequestHead head, http::BodyLength body, bool upgrade,
                        StopToken stop) override;
  Task<Status> WriteBody(Chunk chunk, StopToken stop) override;
  Task<Status> EndBody(http::HeaderList trailers, StopToken stop) override;
  Task<Result<http::ResponseHead>> ReadHead(StopToken stop) override;
  http::BodyLength body() const override { return body_; }
  Task<Result<Chunk>> ReadBody(StopToken stop) override;
  http::HeaderList TakeTrailers() override { return stream_->trailers(); }
  bool reused() const override { return true; }
  io::StreamPtr TakeTunnel() override { return nullptr; }

 private:
  std::shared_ptr<http::H2Connection> connection_;
  http::H2StreamPtr stream_;
  http::BodyLength body_;
};

// What a head with such fields announces over HTTP/2, where the end is told by the framing.
http::BodyLength H2BodyLength(const http::HeaderList& headers, bool at_end);
// Trailers without what may not stand there; HTTP/2 ends a stream over such a field.
http::HeaderList AllowedTrailers(const http::HeaderList& trailers);

}  // namespace aquifer::waypoint
