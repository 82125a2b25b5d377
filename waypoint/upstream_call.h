// The backend's side of one request: on a connection of its own or on a stream of a shared one.
// Sending the request and reading the response may go on beside each other. One thread: its Loop's.
#pragma once

#include <memory>

#include "core/http/h1.h"
#include "core/http/message.h"
#include "core/io/stream.h"

namespace aquifer::waypoint {

class UpstreamCall {
 public:
  virtual ~UpstreamCall() = default;

  virtual Task<Status> SendHead(http::RequestHead head, http::BodyLength body, bool upgrade,
                                StopToken stop) = 0;
  virtual Task<Status> WriteBody(Chunk chunk, StopToken stop) = 0;
  virtual Task<Status> EndBody(http::HeaderList trailers, StopToken stop) = 0;

  // The final response, or a 101.
  virtual Task<Result<http::ResponseHead>> ReadHead(StopToken stop) = 0;
  virtual http::BodyLength body() const = 0;
  // Empty at the end.
  virtual Task<Result<Chunk>> ReadBody(StopToken stop) = 0;
  virtual http::HeaderList TakeTrailers() = 0;

  // Not the first request on its connection, so that the backend may have closed it meanwhile.
  virtual bool reused() const = 0;
  // After a 101: the bytes of both directions. Once.
  virtual io::StreamPtr TakeTunnel() = 0;
};

using UpstreamCallPtr = std::unique_ptr<UpstreamCall>;

}  // namespace aquifer::waypoint
