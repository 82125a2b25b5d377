#include "core/http/server.h"

#include <tuple>
#include <utility>

#include "core/http/h1_writer.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"

namespace aquifer::http {

std::string_view Request::query() const {
  const std::size_t mark = head.path.find('?');
  return mark == std::string::npos ? std::string_view()
                                   : std::string_view(head.path).substr(mark + 1);
}

Response Response::Text(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.Add("content-type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Task<void> Server::Run(StopToken stop) {
  Scope connections;
  while (!stop.requested()) {
    Result<io::SocketPtr> accepted = co_await listener_->Accept(stop);
    if (!accepted) {
      if (stop.requested()) break;
      // Descriptors ran out, or the peer was gone before it was accepted; neither is a reason to
      // stop listening or to spin.
      std::ignore = co_await SleepFor(std::chrono::milliseconds(50), stop);
      continue;
    }
    if (connections.live() >= options_.max_connections)
      continue;  // closed at once: the answer to a flood costs nothing
    connections.Spawn(Serve(*std::move(accepted), stop));
  }
  co_await connections.Join();
}

Task<void> Server::Serve(io::SocketPtr socket, StopToken stop) {
  H1Reader reader(H1Role::kServer, options_.limits);
  Clock::duration patience = options_.head_timeout;
  while (true) {
    const Next next = co_await ServeOne(*socket, reader, patience, stop);
    if (next == Next::kClose) break;
    patience = options_.idle_timeout;
  }
  std::ignore = co_await socket->ShutdownWrite(stop);
  co_await Linger(*socket, stop);
}

// Closing with bytes unread would reset the connection and could take the answer with it: a refused
// client gets a moment to hear it.
Task<void> Server::Linger(io::Socket& socket, StopToken stop) {
  constexpr int kMostReads = 16;
  TimedStop timed(stop, std::chrono::milliseconds(500), Reason::kTimeout);
  for (int i = 0; i < kMostReads; ++i) {
    const Result<Chunk> rest = co_await socket.Read(timed.token());
    if (!rest || rest->empty()) break;
  }
}

Task<Server::Next> Server::ServeOne(io::Socket& socket, H1Reader& reader, Clock::duration patience,
                                    StopToken stop) {
  Request request;
  bool begun = reader.has_rest();
  TimedStop timed(stop, begun ? options_.head_timeout : patience, Reason::kTimeout);
  while (true) {
    const H1Event event = reader.Next();
    if (event == H1Event::kNeedInput) {
      Result<Chunk> input = co_await socket.Read(timed.token());
      if (!input) {
        if (begun && timed.token().reason() == Reason::kTimeout) co_await Refuse(socket, 408, stop);
        co_return Next::kClose;
      }
      // From its first byte on: a head that drips in does not move its deadline.
      if (!std::exchange(begun, true)) timed.Restart(options_.head_timeout);
      if (input->empty()) {
        reader.FeedEnd();
      } else {
        reader.Feed(*std::move(input));
      }
    } else if (event == H1Event::kHead) {
      request.head = reader.TakeRequest();
      timed.Restart(options_.body_timeout);
      if (reader.expects_continue()) {
        std::ignore =
            co_await socket.Write(Chunk::CopyOf("HTTP/1.1 100 Continue\r\n\r\n"), timed.token());
      }
    } else if (event == H1Event::kBody) {
      const Chunk body = reader.TakeBody();
      if (request.body.size() + body.size() > options_.max_body_bytes) {
        co_await Refuse(socket, 413, stop);
        co_return Next::kClose;
      }
      request.body.append(body.text());
    } else if (event == H1Event::kEnd) {
      break;
    } else {
      if (event == H1Event::kError && !reader.error().truncated)
        co_await Refuse(socket, reader.error().status, stop);
      if (event == H1Event::kTunnel) co_await Refuse(socket, 405, stop);
      co_return Next::kClose;
    }
  }
  timed.Disarm();
  request.peer = socket.peer();
  Response response = co_await handler_(request, stop);
  const bool goes_on = co_await Answer(socket, reader, request, std::move(response), stop);
  co_return goes_on ? Next::kRequest : Next::kClose;
}

Task<bool> Server::Answer(io::Socket& socket, const H1Reader& reader, const Request& request,
                          Response response, StopToken stop) {
  ResponseHead head;
  head.status = response.status;
  head.headers = std::move(response.headers);
  const H1ResponseTo to{request.head.method, reader.minor_version(), reader.keep_alive()};
  H1Writer writer;
  H1Writer::Out out;
  const Status started =
      writer.StartResponse(head, BodyLength::Of(response.content().size()), to, out);
  if (!started) co_return false;
  Chunk content = response.shared != nullptr ? *response.shared : Chunk::CopyOf(response.body);
  const Status body = writer.Body(std::move(content), out);
  response.body = {};  // a client that reads slowly holds it once, not twice
  const Status ended = writer.End(out);
  if (!body || !ended) co_return false;
  TimedStop timed(stop, options_.write_timeout, Reason::kTimeout);
  const Status written = co_await socket.WriteMany(std::move(out), timed.token());
  co_return written.ok() && writer.keep_alive();
}

Task<void> Server::Refuse(io::Socket& socket, int status, StopToken stop) {
  ResponseHead head;
  head.status = status;
  const H1ResponseTo to{"GET", 1, false};
  H1Writer writer;
  H1Writer::Out out;
  const Status started = writer.StartResponse(head, BodyLength::None(), to, out);
  if (!started) co_return;
  TimedStop timed(stop, options_.write_timeout, Reason::kTimeout);
  std::ignore = co_await socket.WriteMany(std::move(out), timed.token());
}

}  // namespace aquifer::http
