#include "core/http/grpc_client.h"

#include <utility>

namespace aquifer::http {

Result<std::unique_ptr<GrpcCall>> GrpcCall::Start(H2Connection& connection,
                                                  const GrpcCallSpec& spec) {
  RequestHead head;
  head.method = "POST";
  head.scheme = spec.scheme;
  head.authority = spec.authority;
  head.path = spec.path;
  head.headers = spec.metadata;
  head.headers.Set("te", "trailers");
  head.headers.Set("content-type", "application/grpc");
  AQ_TRY(H2StreamPtr stream, connection.Open(head, EndStream::kNo));
  return std::unique_ptr<GrpcCall>(new GrpcCall(std::move(stream), spec.max_message_bytes));
}

Task<Status> GrpcCall::Send(std::string message, StopToken stop) {
  Chunk frame = GrpcFrame(message);
  message.clear();
  co_return co_await stream_->Write(std::move(frame), stop);
}

Task<Status> GrpcCall::FinishSending(StopToken stop) {
  co_return co_await stream_->ShutdownWrite(stop);
}

Task<Result<std::optional<std::string>>> GrpcCall::Receive(StopToken stop) {
  if (!head_read_) {
    const Status read = co_await ReadHead(stop);
    if (!read) co_return read.error();
  }
  while (!ended_) {
    Result<std::optional<std::string>, GrpcStatus> message = decoder_.Next();
    if (!message) {
      Fail(std::move(message).error());
      break;
    }
    if (message->has_value()) co_return *std::move(message);
    Result<Chunk> data = co_await stream_->Read(stop);
    if (!data) co_return data.error();
    if (data->empty()) {
      ended_ = true;
      status_ =
          GrpcStatusFrom(stream_->trailers().empty() ? initial_metadata_ : stream_->trailers());
      if (status_.ok() && !decoder_.at_boundary())
        status_ = {GrpcCode::kInternal, "the response ended within a message"};
      break;
    }
    decoder_.Feed(*std::move(data));
  }
  co_return std::optional<std::string>();
}

Task<Status> GrpcCall::ReadHead(StopToken stop) {
  Result<ResponseHead> head = co_await stream_->ReadHead(stop);
  if (!head) co_return head.error();
  head_read_ = true;
  initial_metadata_ = std::move(head->headers);
  if (head->status != 200) {
    Fail(GrpcStatusOfHttp(head->status));
  } else if (!IsGrpcContentType(initial_metadata_.Get("content-type").value_or(""))) {
    Fail({GrpcCode::kUnknown, "the response is not gRPC"});
  }
  co_return Status();
}

void GrpcCall::Fail(GrpcStatus status) {
  ended_ = true;
  status_ = std::move(status);
  stream_->Reset();
}

Task<Result<GrpcReply>> CallUnary(H2Connection& connection, GrpcCallSpec spec, std::string message,
                                  StopToken stop) {
  AQ_CO_TRY(const std::unique_ptr<GrpcCall> call, GrpcCall::Start(connection, spec));
  // A server may answer, with an error, before it has taken the request: what it says counts for
  // more than that it stopped reading.
  const Status sent = co_await call->Send(std::move(message), stop);
  if (sent) {
    const Status finished = co_await call->FinishSending(stop);
    static_cast<void>(finished);
  }
  GrpcReply reply;
  Result<std::optional<std::string>> first = co_await call->Receive(stop);
  if (!first) co_return first.error();
  if (first->has_value()) {
    reply.message = **std::move(first);
    const Result<std::optional<std::string>> second = co_await call->Receive(stop);
    if (!second) co_return second.error();
    if (second->has_value()) {
      reply.status = {GrpcCode::kInternal, "more than one message answered a unary call"};
      co_return reply;
    }
  }
  reply.status = call->status();
  if (reply.status.ok() && !first->has_value())
    reply.status = {GrpcCode::kInternal, "no message answered a unary call"};
  co_return reply;
}

}  // namespace aquifer::http
