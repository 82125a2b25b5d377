#include "waypoint/h2_downstream.h"

namespace aquifer::waypoint {

Task<Status> H2Downstream::Respond(http::ResponseHead head, http::BodyLength body, StopToken) {
  head.headers.Remove("connection");
  const bool bodiless = http::IsBodiless(stream_->request().method, head.status);
  const bool counted = body.kind == http::BodyKind::kLength && !bodiless;
  if (counted && !head.headers.Has("content-length")) {
    (void)head.headers.Add("content-length", std::to_string(body.length));
  }
  ended_ = bodiless || body.kind == http::BodyKind::kNone;
  co_return stream_->Respond(head, ended_ ? http::EndStream::kYes : http::EndStream::kNo);
}

Task<Status> H2Downstream::WriteBody(Chunk chunk, StopToken stop) {
  if (ended_) co_return Status();
  co_return co_await stream_->Write(std::move(chunk), stop);
}

Task<Status> H2Downstream::EndBody(http::HeaderList trailers, StopToken) {
  if (ended_) co_return Status();
  ended_ = true;
  co_return stream_->ShutdownWithTrailers(AllowedTrailers(trailers));
}

}  // namespace aquifer::waypoint
