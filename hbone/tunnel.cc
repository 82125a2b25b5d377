#include "hbone/tunnel.h"

#include <utility>

namespace aquifer::hbone {
namespace {

constexpr int kUnauthorized = 401;  // by a policy

}  // namespace

Task<Result<Tunnel, TunnelError>> OpenTunnel(http::H2Connection& connection, certs::Identity peer,
                                             const ConnectRequest& request, StopToken stop) {
  const http::RequestHead head = EncodeRequest(request);
  Result<http::H2StreamPtr> stream = connection.Open(head, http::EndStream::kNo);
  if (!stream) co_return TunnelError::Of(stream.error());
  // The connection may be gone after this; the stream tells.
  const Result<http::ResponseHead> answer = co_await (*stream)->ReadHead(stop);
  if (!answer) co_return TunnelError::Of(answer.error());
  Decoded<ConnectResponse> response = DecodeResponse(*answer);
  if (!response) co_return TunnelError::Of(Error{Reason::kHttpFailed}, response.error().ToString());
  if (response->status != 200) {
    // A 401 that names its policy is a denial; one without a word may be anything.
    const bool denied = response->status == kUnauthorized && !response->refusal.empty();
    TunnelError refused{Error{denied ? Reason::kPolicyDenied : Reason::kConnectRejected},
                        response->status,
                        response->refusal,
                        {},
                        peer};
    refused.detail = "http status: " + std::to_string(response->status);
    if (!refused.refusal.empty()) refused.detail += " (" + refused.refusal + ")";
    co_return refused;
  }
  co_return Tunnel{*std::move(stream), *std::move(response), std::move(peer)};
}

}  // namespace aquifer::hbone
