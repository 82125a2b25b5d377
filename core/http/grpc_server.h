// gRPC from the server's side: methods by path, each call a coroutine that receives and sends.
// Built once, then only read: one instance may serve many connections of its loop. One thread: its
// Loop's.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "core/base/address.h"
#include "core/http/grpc.h"
#include "core/http/h2_connection.h"

namespace aquifer::http {

// One call, as its handler sees it.
class GrpcServerCall {
 public:
  // The head of the call: path and metadata.
  const RequestHead& request() const { return stream_.request(); }
  // Who is at the other end of the connection, as far as its owner has said.
  const Ip& peer() const { return peer_; }
  // What the answer's head carries besides gRPC's own; before the first Send.
  HeaderList& initial_metadata() { return initial_metadata_; }
  HeaderList& trailers() { return trailers_; }

  // A handler that knows its client may take larger messages than the server takes from anybody.
  // Before the first Receive.
  void set_max_message_bytes(std::size_t bytes) { decoder_.set_max_message_bytes(bytes); }

  // One writer and one reader at a time, beside each other.
  // The next message; empty once the client has finished sending.
  Task<Result<std::optional<std::string>>> Receive(StopToken stop);
  Task<Status> Send(std::string message, StopToken stop);

 private:
  friend class GrpcServer;
  GrpcServerCall(H2Stream& stream, const Ip& peer, std::size_t max_message_bytes)
      : stream_(stream), peer_(peer), decoder_(max_message_bytes) {}
  Status SendHead(EndStream end);
  void Finish(const GrpcStatus& status);

  H2Stream& stream_;
  const Ip peer_;
  GrpcDecoder decoder_;
  HeaderList initial_metadata_;
  HeaderList trailers_;
  bool head_sent_ = false;
  GrpcStatus broken_;  // why the client's messages cannot be read on
};

class GrpcServer {
 public:
  // Runs until the call is answered; its status goes into the trailers. `stop` fires when the
  // client or the connection goes away, too.
  using Handler = std::function<Task<GrpcStatus>(GrpcServerCall& call, StopToken stop)>;

  explicit GrpcServer(std::size_t max_message_bytes = 4 * 1024 * 1024)
      : max_message_bytes_(max_message_bytes) {}

  // `path` is "/package.Service/Method".
  void Register(std::string path, Handler handler) {
    methods_[std::move(path)] = std::move(handler);
  }

  // Serves one stream: for H2Connection's request handler, spawned in a Scope that outlives no part
  // of the server.
  Task<void> Serve(H2StreamPtr stream, StopToken stop, Ip peer = {}) const;

  // Serves a whole connection and returns when it and its calls have ended.
  Task<Status> ServeConnection(io::StreamPtr transport, H2Options options, StopToken stop,
                               Ip peer = {}) const;

 private:
  Task<GrpcStatus> Dispatch(GrpcServerCall& call, StopToken stop) const;

  std::size_t max_message_bytes_;
  absl::flat_hash_map<std::string, Handler> methods_;
};

}  // namespace aquifer::http
