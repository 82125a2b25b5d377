#include "core/http/client.h"

#include <utility>

#include "core/http/h1.h"
#include "core/http/h1_writer.h"
#include "core/io/socket.h"
#include "core/rt/timer.h"

namespace aquifer::http {
namespace {

Result<H1Writer::Out> Serialize(const ClientRequest& request) {
  RequestHead head;
  head.method = request.method;
  head.authority = request.authority;
  head.path = request.path;
  head.headers = request.headers;
  head.headers.Set("connection", "close");
  H1Writer writer;
  H1Writer::Out out;
  const BodyLength length =
      request.body.empty() ? BodyLength::None() : BodyLength::Of(request.body.size());
  AQ_TRY_STATUS(writer.StartRequest(head, length, out));
  AQ_TRY_STATUS(writer.Body(Chunk::CopyOf(request.body), out));
  AQ_TRY_STATUS(writer.End(out));
  return out;
}

Task<Result<ClientResponse>> ReadResponse(io::Stream& stream, std::string_view method,
                                          std::size_t max_body_bytes, StopToken stop) {
  H1Reader reader(H1Role::kClient);
  reader.ExpectResponse(method, false);
  ClientResponse response;
  while (true) {
    switch (reader.Next()) {
      case H1Event::kNeedInput: {
        Result<Chunk> input = co_await stream.Read(stop);
        if (!input) co_return input.error();
        if (input->empty()) {
          reader.FeedEnd();
        } else {
          reader.Feed(*std::move(input));
        }
        break;
      }
      case H1Event::kHead: {
        ResponseHead head = reader.TakeResponse();
        response.status = head.status;
        response.headers = std::move(head.headers);
        break;
      }
      case H1Event::kBody: {
        const Chunk body = reader.TakeBody();
        if (response.body.size() + body.size() > max_body_bytes) co_return Error{Reason::kOverload};
        response.body.append(body.text());
        break;
      }
      case H1Event::kEnd:
        co_return response;
      case H1Event::kClosed:
        co_return Error{Reason::kPeerClosed};
      case H1Event::kTunnel:
      case H1Event::kError:
        co_return Error{reader.error().truncated ? Reason::kPeerClosed : Reason::kHttpFailed};
    }
  }
}

}  // namespace

Task<Result<ClientResponse>> Exchange(io::Stream& stream, ClientRequest request,
                                      ClientOptions options, StopToken stop) {
  TimedStop timed(stop, options.timeout, Reason::kTimeout);
  AQ_CO_TRY(H1Writer::Out out, Serialize(request));
  // A server may answer and close before it has taken all; the answer is then still there to be
  // read.
  const Status written = co_await stream.WriteMany(std::move(out), timed.token());
  if (!written && timed.token().requested()) co_return written.error();
  co_return co_await ReadResponse(stream, request.method, options.max_body_bytes, timed.token());
}

Task<Result<ClientResponse>> Fetch(Address address, ClientRequest request, ClientOptions options,
                                   StopToken stop) {
  TimedStop timed(stop, options.timeout, Reason::kTimeout);
  AQ_CO_TRY(const io::SocketPtr socket, co_await io::Connect(address, timed.token()));
  co_return co_await Exchange(*socket, std::move(request), options, timed.token());
}

}  // namespace aquifer::http
