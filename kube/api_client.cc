#include "kube/api_client.h"

#include <utility>

#include "core/rt/timer.h"
#include "kube/list_page.h"

namespace aquifer::kube {
namespace {

constexpr size_t kMaxFailureBytes = 64 << 10;
constexpr auto kHeadTimeout = std::chrono::seconds(30);

certs::ChannelOptions OptionsOf(const ClusterAccess& access) {
  certs::ChannelOptions options;
  options.address = access.address;
  options.host_name = access.host_name;
  options.roots = access.roots;
  options.token = access.token;
  options.certificate = access.certificate;
  options.key = access.key;
  return options;
}

ApiFailure NoAnswer(const Error& error, std::string detail = "") {
  return {.error = error, .detail = std::move(detail)};
}

}  // namespace

std::string ApiFailure::ToString() const {
  if (status == 0) return detail.empty() ? Describe(error) : detail;
  return std::to_string(status) + (detail.empty() ? "" : " " + detail);
}

Task<Result<Chunk, ApiFailure>> ApiStream::Read(StopToken stop) {
  Result<Chunk> chunk = co_await stream_->Read(stop);
  if (!chunk) co_return NoAnswer(chunk.error());
  co_return *std::move(chunk);
}

ApiClient::ApiClient(const ClusterAccess& access, certs::WallClock clock)
    : path_(access.path), channel_(OptionsOf(access), std::move(clock)) {}

http::RequestHead ApiClient::HeadOf(const ApiRequest& request) const {
  http::RequestHead head;
  head.method = request.method;
  head.scheme = "https";
  head.authority = channel_.address();
  head.path = path_ + request.path;
  // The channel knows how to say who we are.
  head.headers = channel_.CallSpec("").metadata;
  head.headers.Add("accept", "application/json");
  head.headers.Add("user-agent", "aquifer");
  if (!request.body.empty()) {
    head.headers.Add("content-type", request.content_type);
    head.headers.Add("content-length", std::to_string(request.body.size()));
  }
  return head;
}

Task<Result<std::unique_ptr<ApiStream>, ApiFailure>> ApiClient::Open(ApiRequest request,
                                                                     StopToken stop) {
  TimedStop timed(stop, kHeadTimeout, Reason::kTimeout);
  const Result<http::H2Connection*, certs::Failure> connection =
      co_await channel_.Connect(timed.token());
  if (!connection) {
    // A connection that takes no new requests is on its way out; the watches on it would keep it
    // for minutes.
    if (connection.error().error.reason == Reason::kOverload) channel_.Drop();
    co_return NoAnswer(connection.error().error, connection.error().detail);
  }
  const http::RequestHead head = HeadOf(request);
  const bool bodiless = request.body.empty();
  Result<http::H2StreamPtr> stream =
      (*connection)->Open(head, bodiless ? http::EndStream::kYes : http::EndStream::kNo);
  if (!stream) co_return NoAnswer(stream.error());
  if (!bodiless) {
    Chunk body = Chunk::CopyOf(std::string_view(request.body));
    const Status sent = co_await (*stream)->Write(std::move(body), timed.token());
    if (!sent) co_return NoAnswer(sent.error());
    std::ignore = co_await (*stream)->ShutdownWrite(timed.token());
  }
  const Result<http::ResponseHead> answer = co_await (*stream)->ReadHead(timed.token());
  if (!answer) co_return NoAnswer(answer.error());
  if (answer->status >= 200 && answer->status < 300)
    co_return std::make_unique<ApiStream>(*std::move(stream));
  co_return co_await ReadFailure(*std::move(stream), answer->status, timed.token());
}

Task<ApiFailure> ApiClient::ReadFailure(http::H2StreamPtr stream, int status, StopToken stop) {
  std::string body;
  while (body.size() < kMaxFailureBytes) {
    const Result<Chunk> chunk = co_await stream->Read(stop);
    if (!chunk || chunk->empty()) break;
    body.append(chunk->text().substr(0, kMaxFailureBytes - body.size()));
  }
  co_return ApiFailure{.status = status, .detail = FailureMessage(body)};
}

Task<Result<std::string, ApiFailure>> ApiClient::Call(ApiRequest request, size_t max_bytes,
                                                      Clock::duration timeout, StopToken stop) {
  TimedStop timed(stop, timeout, Reason::kTimeout);
  AQ_CO_TRY(const std::unique_ptr<ApiStream> stream,
            co_await Open(std::move(request), timed.token()));
  std::string body;
  while (true) {
    AQ_CO_TRY(const Chunk chunk, co_await stream->Read(timed.token()));
    if (chunk.empty()) co_return body;
    if (body.size() + chunk.size() > max_bytes) {
      co_return ApiFailure{
          .error = Error{Reason::kOverload},
          .detail = "the answer is larger than " + std::to_string(max_bytes) + " bytes",
          .too_large = true};
    }
    body.append(chunk.text());
  }
}

}  // namespace aquifer::kube
