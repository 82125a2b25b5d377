// The client's side of one request, whichever version of HTTP carries it: the head, the body as it
// comes, and the response as it goes. Reading the request and writing the response may go on beside
// each other. Lives for one exchange; one thread: its Loop's.
#pragma once

#include <string_view>

#include "core/http/h1.h"
#include "core/http/message.h"
#include "core/io/stream.h"

namespace aquifer::waypoint {

class Downstream {
 public:
  virtual ~Downstream() = default;

  virtual http::RequestHead TakeHead() = 0;
  // "HTTP/1.0", "HTTP/1.1" or "HTTP/2".
  virtual std::string_view protocol() const = 0;
  // What the request's body is announced as.
  virtual http::BodyLength body() const = 0;
  virtual bool asks_for_upgrade() const = 0;
  // Fires when the client is gone, as far as that can be seen.
  virtual StopToken gone() = 0;
  // Looks for the client's leaving where only reading shows it, until `stop`. Once the body has
  // been read to its end, or if there is none; nothing else is read meanwhile.
  virtual Task<void> WatchClient(StopToken stop) = 0;

  // Tells a client that waits for it that the body may come (RFC 9110 section 10.1.1). Before the
  // response, and not beside it.
  virtual Task<Status> Continue(StopToken stop) = 0;
  // The next part of the body; empty at its end, and the trailers are there then.
  virtual Task<Result<Chunk>> ReadBody(StopToken stop) = 0;
  virtual const http::HeaderList& trailers() const = 0;

  // The rest of the body will not be asked for: said before Respond, so that a connection that it
  // makes useless can be announced as closing.
  virtual void AbandonBody() = 0;

  // The head of the response, once. `body` is what will follow.
  virtual Task<Status> Respond(http::ResponseHead head, http::BodyLength body, StopToken stop) = 0;
  virtual Task<Status> WriteBody(Chunk chunk, StopToken stop) = 0;
  virtual Task<Status> EndBody(http::HeaderList trailers, StopToken stop) = 0;
  // The response cannot be finished: the client must not take what it has for the whole.
  virtual void Abort() = 0;

  // After a 101: the bytes of both directions, what came early included. Once.
  virtual io::StreamPtr TakeTunnel() = 0;
};

}  // namespace aquifer::waypoint
