// HTTP/2 from a client: one stream. One thread: its Loop's.
#pragma once

#include "core/http/h2_connection.h"
#include "waypoint/downstream.h"
#include "waypoint/h2_upstream.h"

namespace aquifer::waypoint {

class H2Downstream final : public Downstream {
 public:
  explicit H2Downstream(http::H2StreamPtr stream)
      : stream_(std::move(stream)),
        body_(H2BodyLength(stream_->request().headers, stream_->at_end())) {}

  http::RequestHead TakeHead() override { return stream_->request(); }
  std::string_view protocol() const override { return "HTTP/2"; }
  http::BodyLength body() const override { return body_; }
  bool asks_for_upgrade() const override { return false; }
  StopToken gone() override { return stream_->gone(); }
  Task<void> WatchClient(StopToken) override { co_return; }

  // Clients of HTTP/2 send on after a moment, so that an interim response is not needed.
  Task<Status> Continue(StopToken) override { co_return Status(); }
  Task<Result<Chunk>> ReadBody(StopToken stop) override { return stream_->Read(stop); }
  const http::HeaderList& trailers() const override { return stream_->trailers(); }
  void AbandonBody() override {}
  Task<Status> Respond(http::ResponseHead head, http::BodyLength body, StopToken stop) override;
  Task<Status> WriteBody(Chunk chunk, StopToken stop) override;
  Task<Status> EndBody(http::HeaderList trailers, StopToken stop) override;
  void Abort() override { stream_->ResetWith(NGHTTP2_INTERNAL_ERROR); }
  io::StreamPtr TakeTunnel() override { return nullptr; }

 private:
  http::H2StreamPtr stream_;
  http::BodyLength body_;
  bool ended_ = false;
};

}  // namespace aquifer::waypoint
