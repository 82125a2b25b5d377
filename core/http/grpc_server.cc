#include "core/http/grpc_server.h"

#include <utility>

#include "core/rt/scope.h"

namespace aquifer::http {
Task<Result<std::optional<std::string>>> GrpcServerCall::Receive(StopToken stop) {
  while (true) {
    Result<std::optional<std::string>, GrpcStatus> message = decoder_.Next();
    if (!message) {
      broken_ = std::move(message).error();
      co_return Error{Reason::kBadRequest};
    }
    if (message->has_value()) co_return *std::move(message);
    Result<Chunk> data = co_await stream_.Read(stop);
    if (!data) co_return data.error();
    if (!data->empty()) {
      decoder_.Feed(*std::move(data));
      continue;
    }
    if (decoder_.at_boundary()) co_return std::optional<std::string>();
    broken_ = {GrpcCode::kInternal, "the request ended within a message"};
    co_return Error{Reason::kBadRequest};
  }
}

Task<Status> GrpcServerCall::Send(std::string message, StopToken stop) {
  const Status head = SendHead(EndStream::kNo);
  if (!head) co_return head;
  Chunk frame = GrpcFrame(message);
  message.clear();
  co_return co_await stream_.Write(std::move(frame), stop);
}

Status GrpcServerCall::SendHead(EndStream end) {
  if (std::exchange(head_sent_, true)) return Status();
  ResponseHead head;
  head.status = 200;
  head.headers = initial_metadata_;
  head.headers.Set("content-type", "application/grpc");
  if (end == EndStream::kYes) {
    for (const HeaderField field : trailers_) head.headers.Add(field.name, field.value);
  }
  return stream_.Respond(head, end);
}

void GrpcServerCall::Finish(const GrpcStatus& status) {
  AddGrpcStatus(trailers_, broken_.ok() ? status : broken_);
  // A call that sent nothing is answered by a head alone, which some clients need to see an error
  // at all.
  const Status ended =
      head_sent_ ? stream_.ShutdownWithTrailers(trailers_) : SendHead(EndStream::kYes);
  static_cast<void>(ended);  // a client that has gone hears nothing
}

Task<void> GrpcServer::Serve(H2StreamPtr stream, StopToken stop, Ip peer) const {
  const RequestHead& head = stream->request();
  if (head.method != "POST" || !IsGrpcContentType(head.headers.Get("content-type").value_or(""))) {
    const Status answered =
        stream->Respond(ResponseHead{head.method == "POST" ? 415 : 405, {}}, EndStream::kYes);
    static_cast<void>(answered);
    co_return;
  }
  GrpcServerCall call(*stream, peer, max_message_bytes_);
  StopSource either(stop);
  StopLink link(stream->gone(), either);
  const GrpcStatus status = co_await Dispatch(call, either.token());
  call.Finish(status);
}

Task<GrpcStatus> GrpcServer::Dispatch(GrpcServerCall& call, StopToken stop) const {
  const auto method = methods_.find(call.request().path);
  if (method == methods_.end()) co_return GrpcStatus{GrpcCode::kUnimplemented, "unknown method"};
  co_return co_await method->second(call, stop);
}

Task<Status> GrpcServer::ServeConnection(io::StreamPtr transport, H2Options options, StopToken stop,
                                         Ip peer) const {
  Scope calls;
  StopSource ended(stop);
  const StopToken token = ended.token();
  H2Connection connection(H2Role::kServer, std::move(transport), options, [&](H2StreamPtr stream) {
    calls.Spawn(Serve(std::move(stream), token, peer));
  });
  const Status end = co_await connection.Run(stop);
  ended.RequestStop(end.ok() ? Reason::kPeerClosed : end.error().reason);
  co_await calls.Join();
  co_return end;
}

}  // namespace aquifer::http
