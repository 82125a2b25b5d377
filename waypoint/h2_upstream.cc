#include "waypoint/h2_upstream.h"

#include <charconv>

namespace aquifer::waypoint {

http::BodyLength H2BodyLength(const http::HeaderList& headers, bool at_end) {
  if (at_end) return http::BodyLength::None();
  const std::optional<std::string_view> length = headers.Get("content-length");
  std::uint64_t bytes = 0;
  if (!length) return http::BodyLength::Chunked();
  const auto parsed = std::from_chars(length->data(), length->data() + length->size(), bytes);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == length->data() + length->size();
  return whole ? http::BodyLength::Of(bytes) : http::BodyLength::Chunked();
}

http::HeaderList AllowedTrailers(const http::HeaderList& trailers) {
  http::HeaderList allowed;
  for (const http::HeaderField field : trailers) {
    if (!http::IsForbiddenTrailer(field.name)) (void)allowed.Add(field.name, field.value);
  }
  return allowed;
}

Task<Status> H2Call::SendHead(http::RequestHead head, http::BodyLength body, bool, StopToken) {
  if (head.scheme.empty()) head.scheme = "http";
  const bool empty = body.kind == http::BodyKind::kNone;
  if (!empty && body.kind == http::BodyKind::kLength && !head.headers.Has("content-length")) {
    (void)head.headers.Add("content-length", std::to_string(body.length));
  }
  Result<http::H2StreamPtr> stream =
      connection_->Open(head, empty ? http::EndStream::kYes : http::EndStream::kNo);
  if (!stream) co_return stream.error();
  stream_ = *std::move(stream);
  co_return Status();
}

Task<Status> H2Call::WriteBody(Chunk chunk, StopToken stop) {
  return stream_->Write(std::move(chunk), stop);
}

Task<Status> H2Call::EndBody(http::HeaderList trailers, StopToken) {
  co_return stream_->ShutdownWithTrailers(AllowedTrailers(trailers));
}

Task<Result<http::ResponseHead>> H2Call::ReadHead(StopToken stop) {
  Result<http::ResponseHead> head = co_await stream_->ReadHead(stop);
  if (head) body_ = H2BodyLength(head->headers, stream_->at_end());
  co_return head;
}

Task<Result<Chunk>> H2Call::ReadBody(StopToken stop) { return stream_->Read(stop); }

}  // namespace aquifer::waypoint
