// A gRPC call from the client's side, unary or streaming, over a connection that somebody else runs
// (core/http/h2_connection.h). Dropping a call that has not ended cancels it. One thread: its
// Loop's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/http/grpc.h"
#include "core/http/h2_connection.h"

namespace aquifer::http {

struct GrpcCallSpec {
  std::string scheme = "https";
  std::string authority;
  std::string path;  // "/istio.v1.auth.IstioCertificateService/CreateCertificate"
  HeaderList metadata;
  std::size_t max_message_bytes = 4 * 1024 * 1024;
};

class GrpcCall {
 public:
  // Opens the stream and sends the head. kGoAway and kOverload as H2Connection::Open.
  static Result<std::unique_ptr<GrpcCall>> Start(H2Connection& connection,
                                                 const GrpcCallSpec& spec);

  // One writer and one reader at a time, beside each other.
  Task<Status> Send(std::string message, StopToken stop);
  Task<Status> FinishSending(StopToken stop);
  // The next message; empty once the server has ended the call, whose status() is then known. An
  // Error is the connection's end, a broken stream or the stop: the call is over without a status.
  Task<Result<std::optional<std::string>>> Receive(StopToken stop);

  // After Receive gave empty.
  const GrpcStatus& status() const { return status_; }
  // Known after the first Receive.
  const HeaderList& initial_metadata() const { return initial_metadata_; }
  const HeaderList& trailers() const { return stream_->trailers(); }

 private:
  GrpcCall(H2StreamPtr stream, std::size_t max_message_bytes)
      : stream_(std::move(stream)), decoder_(max_message_bytes) {}
  Task<Status> ReadHead(StopToken stop);
  void Fail(GrpcStatus status);

  H2StreamPtr stream_;
  GrpcDecoder decoder_;
  bool head_read_ = false;
  bool ended_ = false;
  GrpcStatus status_;
  HeaderList initial_metadata_;
};

struct GrpcReply {
  GrpcStatus status;
  std::string message;  // when status is ok
};

// One message there, one back. An Error is the connection's, everything the server said is in the
// reply.
Task<Result<GrpcReply>> CallUnary(H2Connection& connection, GrpcCallSpec spec, std::string message,
                                  StopToken stop);

}  // namespace aquifer::http
