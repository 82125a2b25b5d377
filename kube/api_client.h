// Requests to the API server, over one HTTP/2 connection that is dialled when it is needed and
// shared by all watches: whole answers, and bodies that come for as long as they last. Roots, token
// and certificate are read anew by the channel. One thread: its Loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "certs/channel.h"
#include "kube/access.h"

namespace aquifer::kube {

// Statuses of HTTP by which more is meant than that a request has failed.
inline constexpr int kNotFound = 404;
inline constexpr int kConflict = 409;  // somebody was faster, or has the name
inline constexpr int kGone = 410;      // a watch cannot go on from so far back
inline constexpr int kTooManyRequests = 429;

// Why a request has no good answer.
struct ApiFailure {
  int status = 0;  // of HTTP; 0: there was no answer
  Error error;     // then
  std::string detail;
  bool too_large = false;  // asking for less may help

  // One line for the operator.
  std::string ToString() const;
};

struct ApiRequest {
  std::string method = "GET";
  std::string path;          // with the query
  std::string content_type;  // of `body`
  std::string body;
};

// The body of a 2xx answer as it comes.
class ApiStream {
 public:
  explicit ApiStream(http::H2StreamPtr stream) : stream_(std::move(stream)) {}

  // Empty at the end. Dropping the stream cancels it.
  Task<Result<Chunk, ApiFailure>> Read(StopToken stop);

 private:
  http::H2StreamPtr stream_;
};

class ApiClient {
 public:
  ApiClient(const ClusterAccess& access, certs::WallClock clock);

  // Sends the request; an answer other than 2xx is a failure with the server's message.
  Task<Result<std::unique_ptr<ApiStream>, ApiFailure>> Open(ApiRequest request, StopToken stop);
  // The same for an answer of at most `max_bytes` (kOverload) that comes within `timeout`.
  Task<Result<std::string, ApiFailure>> Call(ApiRequest request, size_t max_bytes,
                                             Clock::duration timeout, StopToken stop);
  // Ends the connection, and what is under way on it; the next request dials. For one that gives no
  // answers.
  void Drop() { channel_.Drop(); }
  // Before destruction.
  Task<void> Shutdown() { co_await channel_.Shutdown(); }
  const std::string& address() const { return channel_.address(); }

 private:
  http::RequestHead HeadOf(const ApiRequest& request) const;
  Task<ApiFailure> ReadFailure(http::H2StreamPtr stream, int status, StopToken stop);

  const std::string path_;
  certs::Channel channel_;
};

}  // namespace aquifer::kube
