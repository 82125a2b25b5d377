// The small HTTP/1.1 server behind admin, metrics and readiness. Requests and responses are whole
// in memory and bounded; so are the time that a head may take, the time between requests, the time
// in which an answer has to be taken and the number of connections. One thread: its Loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/h1.h"
#include "core/io/chunk.h"
#include "core/io/socket.h"
#include "core/rt/timer_queue.h"

namespace aquifer::http {

struct Request {
  RequestHead head;
  std::string body;
  Address peer;

  // The path without its query, as sent.
  std::string_view path() const {
    return std::string_view(head.path).substr(0, head.path.find('?'));
  }
  // What follows the '?', empty if there is none.
  std::string_view query() const;
};

struct Response {
  int status = 200;
  HeaderList headers;  // content-length is the server's
  std::string body;
  // Sent instead of `body`: what several answers have in common.
  std::shared_ptr<const Chunk> shared;

  std::string_view content() const { return shared != nullptr ? shared->text() : body; }
  // With a content-type of text/plain; charset=utf-8.
  static Response Text(int status, std::string body);
};

struct ServerOptions {
  H1Limits limits{.max_head_bytes = 8 * 1024, .max_target_bytes = 4 * 1024, .headers = {}};
  std::size_t max_body_bytes = 64 * 1024;
  std::size_t max_connections = 64;
  Clock::duration head_timeout =
      std::chrono::seconds(2);  // from its first byte, and for the first head from the connect
  Clock::duration body_timeout = std::chrono::seconds(10);
  Clock::duration idle_timeout = std::chrono::seconds(60);   // between requests
  Clock::duration write_timeout = std::chrono::seconds(10);  // for the whole of an answer
};

class Server {
 public:
  // Answers one request. `request` lives until the handler has returned.
  using Handler = std::function<Task<Response>(const Request& request, StopToken stop)>;

  Server(std::unique_ptr<io::Listener> listener, ServerOptions options, Handler handler)
      : listener_(std::move(listener)), options_(options), handler_(std::move(handler)) {}

  // Serves until `stop`; returns when every connection has ended.
  Task<void> Run(StopToken stop);
  Address local() const { return listener_->local(); }

 private:
  enum class Next : std::uint8_t { kRequest, kClose };

  Task<void> Serve(io::SocketPtr socket, StopToken stop);
  Task<Next> ServeOne(io::Socket& socket, H1Reader& reader, Clock::duration patience,
                      StopToken stop);
  Task<void> Linger(io::Socket& socket, StopToken stop);
  Task<bool> Answer(io::Socket& socket, const H1Reader& reader, const Request& request,
                    Response response, StopToken stop);
  Task<void> Refuse(io::Socket& socket, int status, StopToken stop);

  std::unique_ptr<io::Listener> listener_;
  ServerOptions options_;
  Handler handler_;
};

}  // namespace aquifer::http
